import json
import time

import pytest
from story_of_half_an_hour import LENGTH_S, inferenceservice, revision, service, yard_of

from modelyard.board.definitions import read_dashboards
from modelyard.connections import REPOSITORY
from modelyard.waiting import wait_until

BOARDS = read_dashboards(REPOSITORY / "dashboards" / "json")
DRAWN = "[...document.querySelectorAll('.panel')].every((panel) => panel.dataset.state)"
THIRTY = 30
MOST_HEAP_BYTES = 150e6
ARTEFACTS = REPOSITORY / "build" / "board"


def until(page, expression):
    """Wait for something of the page; playwright's own way needs `eval`, which the page's policy forbids."""
    wait_until(lambda: page.evaluate(expression), what=expression, deadline_s=120)


def in_whole_height(page):
    """Make the window as high as the page, so that every panel is in sight."""
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": page.viewport_size["width"], "height": min(height + 40, 8000)})
    until(page, DRAWN)


@pytest.mark.parametrize(
    ("uid", "theme"),
    [
        *((board.uid, "light") for board in BOARDS),
        ("modelyard-service", "dark"),
        ("modelyard-model-health", "dark"),
    ],
)
def test_every_panel_of_a_dashboard_is_drawn_or_says_what_it_waits_for(visit, keep, uid, theme):
    page = visit(f"/d/{uid}", theme=theme)
    in_whole_height(page)
    keep(page, f"{uid}-{theme}")
    states = page.eval_on_selector_all(".panel", "held => held.map((one) => [one.dataset.type, one.dataset.state])")
    assert {state for _, state in states} <= {"ok", "empty"}
    blank = page.eval_on_selector_all(
        ".panel",
        "held => held.filter((one) => !one.querySelector('.body').innerText.trim() && !one.querySelector('.main-svg'))"
        ".map((one) => one.innerText)",
    )
    assert blank == []


def test_the_first_page_tells_who_gets_the_traffic_during_a_canary(visit, keep):
    page = visit("/", theme="dark")
    page.wait_for_selector(".alerts li")
    card = page.inner_text("[data-isvc=flights]")
    for told in ("canary under way", "version 1", "90 %", "flights-predictor-00003", "10 %"):
        assert told in card
    assert page.get_attribute(".split", "aria-label") == "traffic: version 2 10 %, version 1 90 %"
    assert page.inner_text(".hero h1") == "One alert fires"
    assert "dewp of flights is far from its reference" in page.inner_text(".alerts")
    keep(page)


def test_a_service_that_is_not_well_comes_first_with_its_log_and_what_to_type(board, visit, keep):
    line = "sqlite3.OperationalError: <img src=x onerror=alert(1)> disk I/O error"
    sick = service(
        "monitor", "crash looping", told="it ended 4 times", log_line=line, next_command="./invoke why monitor"
    )
    broken = {
        "kind": "monitor",
        "target": "service monitor",
        "told": "x",
        "undo": "./invoke mend",
        "since_s": time.time(),
    }
    board.see(status=yard_of([service("mlflow"), service("prometheus", "starting", told="no answer yet"), sick]))
    board.see(faults=(broken,))
    page = visit("/")
    assert page.inner_text(".hero h1") == "monitor is crash looping"
    assert page.eval_on_selector_all(".services li", "all => all.map((one) => one.dataset.service)") == [
        "monitor",
        "prometheus",
        "mlflow",
    ]
    told = page.inner_text("[data-service=monitor]")
    assert line in told
    assert "./invoke why monitor" in told
    assert "Broken on purpose" in page.inner_text("#notices")
    keep(page)


def test_before_anything_is_served_the_page_says_what_to_type(board, visit, keep):
    board.see(status=yard_of([service("mlflow"), service("grafana", "left out")]))
    page = visit("/")
    assert "./invoke demo" in page.inner_text("main")
    page.keyboard.press("4")
    page.wait_for_selector("h1:has-text('Model health')")
    keep(page)


def test_an_inferenceservice_that_is_not_ready_says_why(board, visit):
    failed = [{"type": "Ready", "status": "False", "message": "revision 2 cannot load its model"}]
    held = inferenceservice(revision("flights-predictor-00002", 0, "2", 0), ready=False, conditions=failed)
    board.see(status=yard_of([service("mlflow")], held))
    page = visit("/")
    assert "revision 2 cannot load its model" in page.inner_text("[data-isvc=flights]")
    assert "not ready" in page.inner_text(".hero h1")


def test_a_time_in_which_nothing_happened_is_said_to_be_empty(visit, keep):
    then = int(time.time()) - 40 * LENGTH_S
    page = visit(f"/d/modelyard-service?from={then}&to={then + 600}")
    page.wait_for_selector("[data-notice=empty]")
    in_whole_height(page)
    assert set(page.eval_on_selector_all(".panel .main-svg", "all => all.map((one) => one.id)")) == set()
    keep(page)


def test_prometheus_away_leaves_the_last_drawing_and_it_goes_on_by_itself(board, visit, keep):
    page = visit("/d/modelyard-overview")
    page.wait_for_selector(".panel .main-svg")
    board.prometheus.stop()
    try:
        page.wait_for_selector("[data-notice=prometheus]")
        assert "./invoke why prometheus" in page.inner_text("#notices")
        assert page.locator(".panel.stale .main-svg").count() > 0
        assert "as of" in page.locator(".panel.stale .stale-note").first.inner_text()
        keep(page)
        fresh = visit("/d/modelyard-overview")
        assert "Prometheus does not answer" in fresh.locator(".empty.wrong").first.inner_text()
    finally:
        board.prometheus.start()
    until(page, "!document.querySelector('.stale, [data-notice]')")


def test_a_board_that_went_away_is_told_and_comes_back(board, visit, keep):
    page = visit("/")
    board.stop()
    try:
        page.wait_for_selector("[data-notice=board]")
        assert "./invoke up" in page.inner_text("#notices")
        keep(page)
    finally:
        board.start()
    until(page, "!document.querySelector('[data-notice]')")
    visit.wrong.clear()  # Chromium itself writes of each request that nobody answered


def test_the_whole_board_is_used_by_keyboard(visit):
    page = visit("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("3")
    page.wait_for_selector("h1:has-text('Service')")
    page.wait_for_selector(".panel[data-type=timeseries] .main-svg")
    page.focus(".panel[data-type=timeseries]")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "BUTTON"
    page.focus(".panel[data-type=timeseries]")
    page.keyboard.press("ArrowLeft")
    first = page.evaluate("document.querySelector('.panel:focus .plot > div').dataset.at")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.querySelector('.panel:focus .plot > div').dataset.at") < first
    page.wait_for_selector(".panel:focus .hoverlayer .legend, .panel:focus .hoverlayer .hovertext")
    page.keyboard.press("Enter")
    page.wait_for_selector("#zoom[open] .main-svg")
    assert page.inner_text("#zoom .about-panel p")
    assert "modelyard:" in page.inner_text("#zoom .about-panel code")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.dataset.type") == "timeseries"
    page.keyboard.press("?")
    page.wait_for_selector("#help[open]")
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    page.keyboard.press("t")
    assert page.evaluate("[document.documentElement.dataset.big, document.querySelector('#theme').textContent]") == [
        "",
        "Light",
    ]
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Space")
    assert "paused" in page.inner_text("#freshness")


def test_a_line_is_hidden_and_shown_by_its_name_in_the_legend(visit):
    page = visit("/d/modelyard-model-health")
    panel = page.locator(".panel", has_text="Are the answers right?")
    panel.scroll_into_view_if_needed()
    panel.locator(".main-svg").first.wait_for()
    lines = "panel => panel.querySelectorAll('.scatterlayer .trace').length"
    assert panel.evaluate(lines) == 2
    panel.locator(".legend button", has_text="version 1").click()
    assert panel.evaluate(lines) == 1
    assert panel.locator(".legend button", has_text="version 1").get_attribute("aria-pressed") == "false"
    panel.locator(".legend button", has_text="version 1").click()
    assert panel.evaluate(lines) == 2


def test_a_version_has_the_same_colour_in_every_panel(visit):
    page = visit("/d/modelyard-model-health")
    in_whole_height(page)
    told = page.evaluate(
        "[...document.querySelectorAll('.legend button')].filter((one) => /^version 2$/.test(one.querySelector('span')"
        ".textContent)).map((one) => (one.querySelector('svg').innerHTML.match(/var\\(--s\\d\\)/) || [])[0])"
    )
    assert len(told) > 1
    assert len(set(told)) == 1


@pytest.mark.parametrize("path", ["/", "/d/modelyard-service", "/d/modelyard-model-health", "/d/modelyard-platform"])
def test_on_a_projector_nothing_is_cut_off_and_no_letter_is_small(visit, keep, path):
    page = visit(f"{path}?big=1", width=1280, height=720)
    until(page, "!document.querySelector('.panel[data-state] .skeleton')")
    keep(page, f"projector{path.replace('/', '-')}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    smallest = page.evaluate(
        "Math.min(...[...document.querySelectorAll('main *, header *')].filter((one) => one.checkVisibility() &&"
        " [...one.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim()))"
        ".map((one) => parseFloat(getComputedStyle(one).fontSize)))"
    )
    assert smallest >= 15


def test_on_a_telephone_nothing_is_cut_off(visit, keep):
    page = visit("/", width=400, height=860)
    keep(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_page_of_thirty_panels_is_drawn_as_it_is_scrolled_to(board, visit, keep):
    graph = next(panel for held in BOARDS for panel in held.panels if panel["type"] == "timeseries")
    target = {"refId": "A", "expr": "modelyard:recall_ratio", "legendFormat": "{{class}} {{model_version}}"}
    panels = [
        {**graph, "id": number, "title": f"Panel {number}", "targets": [target], "gridPos": {"w": 8, "h": 8}}
        for number in range(1, THIRTY + 1)
    ]
    thirty = {"uid": "thirty", "title": "Thirty", "panels": panels, "time": {"from": "now-30m"}, "refresh": "1m"}
    path = board.dashboards / "thirty.json"
    path.write_text(json.dumps(thirty))
    try:
        page = visit("/d/thirty")
        page.wait_for_selector(".main-svg")
        assert page.locator(".main-svg").count() < 3 * THIRTY, "what is out of sight was drawn too"
        in_whole_height(page)
        assert page.locator(".panel[data-state=ok]").count() == THIRTY
        keep(page)
        heap_bytes = page.evaluate("performance.memory.usedJSHeapSize")
        (ARTEFACTS / "thirty-panels.json").write_text(json.dumps({"heap_bytes": heap_bytes, "panels": THIRTY}))
        assert heap_bytes < MOST_HEAP_BYTES
    finally:
        path.unlink()


def test_values_are_told_in_their_units(visit):
    page = visit("/")
    told = page.evaluate(
        "import('/static/fields.js').then(({ format }) => [[0.1, 'percentunit'], [0.9345, 'percentunit'],"
        " [1536 * 1024 ** 2, 'bytes'], [0, 'bytes'], [0.0234, 's'], [90, 's'], [7300, 's'], [0, 's'],"
        " [250, 'ms'], [3980, 'short'], [15300, 'short'], [2, 'short'], [0.87, 'short'], [12.34, 'reqps']]"
        ".map(([value, unit]) => format(value, unit)))"
    )
    assert told == [
        "10 %",
        "93.5 %",
        "1.5 GiB",
        "0 B",
        "23.4 ms",
        "90 s",
        "2.03 h",
        "0 s",
        "250 ms",
        "3,980",
        "15.3K",
        "2",
        "0.87",
        "12.3 req/s",
    ]
