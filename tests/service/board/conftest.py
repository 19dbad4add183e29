"""A board before a real Prometheus with half an hour of a story in it, a real Alertmanager, and a real browser.

The yard that it looks at is told by the test (a stand-in: `board.look`), so that every condition of a service can be
had without breaking one.
"""

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import uvicorn
from claimed_ports import claim_block
from story_of_half_an_hour import openmetrics, yard_during_canary

from modelyard.board.__main__ import lifespan_of, plotly_library
from modelyard.board.app import Board, create_app
from modelyard.board.browser import open_browser
from modelyard.board.metrics import make_registry
from modelyard.board.queries import Sources
from modelyard.board.watching import Look, Watcher
from modelyard.connections import REPOSITORY
from modelyard.errors import BrowserMissing
from modelyard.settings import load_settings
from modelyard.toolbox import Toolbox
from modelyard.waiting import wait_until

ARTEFACTS = REPOSITORY / "build" / "board"
"""Where the tests leave what they saw."""


def answers(address: str) -> bool:
    try:
        return httpx.get(address).status_code == 200
    except httpx.HTTPError:
        return False


class Source:
    """A program that the board asks; it can be taken away and brought back on the same port."""

    def __init__(self, argv: list[str], folder: Path, address: str) -> None:
        self.argv, self.folder, self.address = argv, folder, address
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(self.argv, cwd=self.folder, stdout=log, stderr=log)
        wait_until(lambda: answers(f"{self.address}/-/ready"), what=self.argv[0], deadline_s=60, interval_s=0.05)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(20)


class Served:
    """The board over HTTP in this process; `look` is what it sees of the yard."""

    def __init__(self, port: int, prometheus: Source, alertmanager: Source, dashboards: Path) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.port, self.prometheus, self.alertmanager, self.dashboards = port, prometheus, alertmanager, dashboards
        self.look = Look(time.time(), yard_during_canary())
        self.server: uvicorn.Server | None = None
        self.thread: threading.Thread | None = None

    def see(self, **changes: object) -> None:
        self.look = replace(self.look, **changes)

    def start(self) -> None:
        watcher = Watcher(lambda: self.look)
        watcher.asked = lambda: self.look
        sources = Sources(self.prometheus.address, self.alertmanager.address)
        board = Board(
            sources=sources,
            watcher=watcher,
            registry=make_registry(lambda: self.look),
            dashboards=self.dashboards,
            plotly=plotly_library(),
            links=({"service": "mlflow", "summary": "runs and models", "address": "http://127.0.0.1:1/"},),
            summaries={"mlflow": "runs and models"},
            scrape_interval_s=2,
        )
        config = uvicorn.Config(
            create_app(board, lifespan=lifespan_of(watcher, sources)),
            host="127.0.0.1",
            port=self.port,
            log_level="critical",
            loop="asyncio",
            timeout_graceful_shutdown=1,
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        wait_until(lambda: answers(f"{self.address}/healthz"), what="the board", deadline_s=20, interval_s=0.05)

    def stop(self) -> None:
        if self.server is not None and self.thread is not None:
            self.server.should_exit = True
            self.thread.join(20)


@pytest.fixture(scope="session")
def sources(tmp_path_factory) -> Iterator[tuple[Source, Source]]:
    """Prometheus with the story, and Alertmanager with an alert of it."""
    toolbox, port = Toolbox(load_settings().cache_dir), claim_block()
    folder = tmp_path_factory.mktemp("sources")
    (folder / "story.om").write_text(openmetrics(time.time()), "utf-8")
    promtool = [
        toolbox.find("promtool"),
        "tsdb",
        "create-blocks-from",
        "openmetrics",
        folder / "story.om",
        folder / "data",
    ]
    subprocess.run([str(word) for word in promtool], check=True, capture_output=True, timeout=60)
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 15s}\n")
    (folder / "alertmanager.yml").write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    prometheus = Source(
        [
            str(toolbox.find("prometheus")),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            *toolbox.arguments("prometheus"),
        ],
        folder,
        f"http://127.0.0.1:{port}",
    )
    alertmanager = Source(
        [
            str(toolbox.find("alertmanager")),
            f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'alerts'}",
            "--cluster.listen-address=",
            f"--web.listen-address=127.0.0.1:{port + 1}",
            *toolbox.arguments("alertmanager"),
        ],
        toolbox.root("alertmanager") or folder,
        f"http://127.0.0.1:{port + 1}",
    )
    alertmanager.folder = folder if toolbox.root("alertmanager") is None else alertmanager.folder
    try:
        prometheus.start()
        alertmanager.start()
        labels = {"alertname": "InputDrift", "inferenceservice": "flights", "model_version": "1", "severity": "warning"}
        alert = {"labels": labels, "annotations": {"summary": "dewp of flights is far from its reference"}}
        httpx.post(f"{alertmanager.address}/api/v2/alerts", json=[alert]).raise_for_status()
        yield prometheus, alertmanager
    finally:
        prometheus.stop()
        alertmanager.stop()


@pytest.fixture(scope="session")
def dashboards(tmp_path_factory) -> Path:
    """Folder of dashboards: those of the repository; a test may put others beside them."""
    folder = tmp_path_factory.mktemp("dashboards")
    for path in (REPOSITORY / "dashboards" / "json").glob("*.json"):
        held = json.loads(path.read_text("utf-8"))
        (folder / path.name).write_text(json.dumps({**held, "refresh": "2s"}), "utf-8")  # as often as the board allows
    return folder


@pytest.fixture(scope="session")
def served(sources, dashboards) -> Iterator[Served]:
    held = Served(claim_block(), *sources, dashboards)
    held.start()
    yield held
    held.stop()


@pytest.fixture
def board(served) -> Iterator[Served]:
    """The board, whose yard is in the midst of a canary until the test says otherwise."""
    yield served
    served.look = Look(time.time(), yard_during_canary())


@pytest.fixture(scope="module")
def browser():
    """A Chromium; without one the tests are skipped, except where they must run: in CI.

    Of one module only: playwright keeps an event loop in this thread, in which no other test could have its own.
    """
    try:
        with open_browser() as held:
            yield held
    except BrowserMissing as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"the board is not looked at here: {error.what}")


@pytest.fixture
def visit(board, browser, request) -> Iterator:
    """`page = visit("/path")`: a page of the board. Its console stays empty, and it asks nobody else."""
    pages, wrong, asked = [], [], set()

    def run(path: str = "/", *, width: int = 1280, height: int = 900, theme: str = "light"):
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
        page.set_default_timeout(120_000)
        page.on("console", lambda told: wrong.append(told.text) if told.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda sent: asked.add(sent.url.split("/")[2]) if sent.url.startswith("http") else None)
        pages.append(page)
        page.goto(board.address + path)
        page.wait_for_selector(".hero, .panel[data-state]")
        return page

    run.wrong = wrong
    yield run
    for page in pages:
        page.close()
    assert wrong == []
    assert asked <= {f"127.0.0.1:{board.port}"}


@pytest.fixture
def keep(request):
    """`keep(page)`: leaves a picture of what a test saw."""

    def run(page, name: str = "") -> Path:
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        path = ARTEFACTS / f"{name or request.node.name}.png"
        page.screenshot(path=path, animations="disabled")
        return path

    return run
