import json
import re
from itertools import combinations

import pytest
import yaml
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.build import REPOSITORY, generated
from dashboards.queries import dashboard_files, panel_queries
from dashboards.series import DRIFT_THRESHOLD, EARLY_RECALL_THRESHOLD_RATIO, GROUPS, RATE_WINDOW_S, SERIES
from modelyard.settings import Settings

plugins.register_default_plugins()
FILES = {path.stem: json.loads(path.read_text("utf-8")) for path in dashboard_files()}
PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name, held in FILES.items()
    for panel in held["panels"]
    if panel["type"] != "row"
]
ALERTS = yaml.safe_load((REPOSITORY / "dashboards" / "rules" / "alerts.yml").read_text("utf-8"))
RECORDED = {series.name: series for series in SERIES}


def series_in(promql: str) -> set[str]:
    return set(re.findall(r"modelyard:[a-z0-9_:]+", promql))


@pytest.mark.parametrize("path", generated(), ids=lambda path: path.name)
def test_what_is_generated_is_as_its_source_says(path):
    assert path.read_text("utf-8") == generated()[path], "run: python dashboards/build.py"


@pytest.mark.parametrize("name", FILES)
def test_a_dashboard_survives_a_round_trip_through_the_sdk(name):
    again = json.loads(json.dumps(Dashboard.from_json(FILES[name]), cls=JSONEncoder))
    of_prometheus = {"step", "titleFormat", "textFormat", "useValueForTime"}
    marks = [
        {key: value for key, value in mark.items() if key not in of_prometheus}
        for mark in FILES[name]["annotations"]["list"]
    ]
    assert again == FILES[name] | {"annotations": {"list": marks}}


@pytest.mark.parametrize("name", FILES)
def test_each_row_of_a_dashboard_is_a_topic_with_panels(name):
    kinds = [panel["type"] for panel in FILES[name]["panels"]]
    assert kinds[0] == "row"
    assert kinds[-1] != "row"
    assert "row row" not in " ".join(kinds)


@pytest.mark.parametrize("name", FILES)
def test_panels_of_a_dashboard_lie_beside_each_other(name):
    places = [panel["gridPos"] for panel in FILES[name]["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y, (one, other)


def test_ids_of_panels_are_unique_in_a_dashboard():
    for held in FILES.values():
        ids = [panel["id"] for panel in held["panels"]]
        assert len(ids) == len(set(ids))


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_tells_a_learner_what_it_shows(panel):
    assert len(panel["description"]) > 40
    assert panel["description"].endswith(".")


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_reads_only_series_that_the_list_has_and_labels_that_they_carry(panel):
    for target in panel.get("targets", []):
        without_strings = re.sub(r'"[^"]*"', "", target["expr"])
        names = series_in(target["expr"])
        assert names, target
        assert names <= set(RECORDED)
        made = re.findall(r'label_replace\(.*?, "(\w+)", "\$1"', target["expr"])
        carried = {label for name in names for label in RECORDED[name].labels} | set(made)
        assert set(re.findall(r"(\w+)=~?", without_strings)) <= carried
        if "sum(" not in target["expr"]:
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= carried
        assert not re.search(r"(?<![:\w])(envoy|up|kn|request|modelyard_monitor)_?\w*\b(?=[{(\[])", without_strings)


def test_alert_rules_read_only_series_that_the_list_has():
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            names = series_in(rule["expr"])
            assert names
            assert names <= set(RECORDED)
            assert re.sub(r"modelyard:[a-z0-9_:]+", "", rule["expr"]).strip(" 0123456789=><!") == ""


def test_alerts_that_count_windows_wait_for_nothing():
    waits = {rule["alert"]: rule["for"] for group in ALERTS["groups"] for rule in group["rules"]}
    assert waits == {
        "InputDrift": "0s",
        "ClassRecallLow": "0s",
        "RequestsStranded": "30s",
        "ReplicasCrashLooping": "0s",
        "ServiceDown": "60s",
    }


def test_a_series_stands_once_and_is_read_only_after_it_was_recorded():
    names = [series.name for series in SERIES]
    assert len(names) == len(set(names))
    for group in GROUPS:
        recorded_here = {series.name for series in group.series}
        earlier: set[str] = set()
        for series in group.series:
            own_last_value = {series.name}
            assert series_in(series.local) & recorded_here <= earlier | own_last_value
            earlier.add(series.name)


def test_four_scrapes_fall_into_the_window_of_a_rate_whatever_the_setting():
    longest = next(held.le for held in Settings.model_fields["scrape_interval_s"].metadata if hasattr(held, "le"))
    assert 4 * longest <= RATE_WINDOW_S


@pytest.mark.parametrize(
    ("title", "value"),
    [
        ("Which column moved away from the training data, and when?", 1),
        ("Which class does it lose?", 0.42),
        ("Does it still recognise what it must?", 0.42),
        ("How many columns drifted?", 1),
    ],
)
def test_a_threshold_is_marked_where_an_alert_has_one(title, value):
    (panel,) = (panel for panel in FILES["model-health"]["panels"] if panel["title"] == title)
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert value in [step["value"] for step in steps]


def test_the_marked_thresholds_are_those_that_the_sample_model_comes_with():
    told = yaml.safe_load((REPOSITORY / "sample-model" / "params.yaml").read_text("utf-8"))["monitoring"]
    assert told["drift"]["num_threshold"] == DRIFT_THRESHOLD
    assert told["quality"]["recall_below"] == {"early": EARLY_RECALL_THRESHOLD_RATIO}
    alerts = {rule["alert"]: rule["expr"] for group in ALERTS["groups"] for rule in group["rules"]}
    assert alerts["ClassRecallLow"].endswith(f">= {told['quality']['in_a_row']}")


@pytest.mark.parametrize("name", FILES)
def test_a_dashboard_asks_the_data_sources_that_are_provisioned(name):
    template = (REPOSITORY / "compose/grafana/provisioning/datasources/modelyard.yml.j2").read_text("utf-8")
    provisioned = set(re.findall(r"^    uid: (\S+)$", template, flags=re.M))
    asked = set(re.findall(r'"uid": "(modelyard-(?:prometheus|alertmanager))"', json.dumps(FILES[name])))
    assert asked
    assert asked <= provisioned


def test_queries_of_lines_ask_for_the_whole_range_and_those_of_figures_for_now(tmp_path):
    board = {
        "time": {"from": "now-30m", "to": "now"},
        "panels": [
            {
                "type": "row",
                "title": "folded",
                "panels": [{"title": "line", "targets": [{"expr": "a{b='$namespace'}"}]}],
            },
            {"title": "figure", "targets": [{"expr": "c{d='${inferenceservice}'}[$__range]", "instant": True}]},
        ],
    }
    path = tmp_path / "board.json"
    path.write_text(json.dumps(board), "utf-8")
    assert panel_queries(path, inferenceservice="flights", namespace="default") == [
        ("line", "last_over_time((a{b='default'})[30m:])"),
        ("figure", "c{d='flights'}[30m]"),
    ]


def test_a_query_with_an_unknown_variable_is_refused(tmp_path):
    path = tmp_path / "board.json"
    path.write_text(json.dumps({"time": {"from": "now-5m"}, "panels": [{"title": "t", "targets": [{"expr": "a$x"}]}]}))
    with pytest.raises(ValueError, match=r"variable \$x in 'a\$x' is not known"):
        panel_queries(path, inferenceservice="flights", namespace="default")
