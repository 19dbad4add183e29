"""Drift: an alert comes as fast as its parts allow, and none comes while the traffic is what the model was trained on.

    ./invoke load drift

The sample model's first version answers flights of the months it was trained on, then flights of July. The alert's way
is measured in its parts: a window of rows fills, the monitor judges it, Prometheus scrapes the verdict, a recording
rule and an alert rule see it, Alertmanager sends it.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from locust import events

from modelyard.autoscaling.values import parse_duration
from modelyard.codec import decode_predictions
from modelyard.drawing.charts import Limit
from modelyard.drawing.timeline import Band, Curve, Panel
from modelyard.errors import RegistryError, VersionUnusable, WaitTimeout
from modelyard.load.figures import latency_panel, load_panel
from modelyard.load.measures import Request, failures, first_failure, latency_ms
from modelyard.load.objectives import Objective, Verdict
from modelyard.load.running import LoadTest, Outcome
from modelyard.load.users import Caller, CuedShape
from modelyard.monitor.client import Monitor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from modelyard.load.process import Locust

SLO = (
    Objective("false_alerts", "No alert fires while the flights are of the model's own months", "alerts", at_most=0),
    Objective("windows", "The silence was measured: that traffic filled windows", "windows", at_least=3),
    Objective("judged_s", "The first window of July is judged soon after its last row", "s", at_most=20),
    Objective("over_floor_s", "Then the alert reaches the webhook within the floor of its parts", "s", at_most=1),
    Objective("unseen", "The monitor has every row that was answered", "rows", at_most=0),
    Objective("failures", "No request fails", "requests", at_most=0),
)
ALERT = "InputDrift"
MODEL, DATA = "flights", "v1"
ORDINARY, DRIFTED = "heldout", "july"
WINDOW_ROWS, ROWS_A_REQUEST = 1000, 10
ORDINARY_WINDOWS = 3
USERS, THINK_S = 4, 0.02
"""About 100 requests a second at the most: a window lasts long enough to be seen on the chart."""
MOST_WINDOWS = 6
"""Of July, when no alert comes."""
MOST_SECONDS = 300.0
Held = dict[str, Any]


class Shape(CuedShape):
    """As many users as `conduct` says: none between the two periods."""


@events.init_command_line_parser.add_listener
def add_flights(parser: Any) -> None:
    """The files of flights, in the order in which `conduct` asks for them."""
    parser.add_argument("--flights", action="append", required=True, help="NDJSON file of rows; as often as needed")


class Passenger(Caller):
    """Asks about the next flights of the period; each flight is sent once."""

    def next_body(self) -> tuple[str, int]:
        """The next flights, and how many they are."""
        rows = list(itertools.islice(self.flights(int(self.record.cue.get("period", 0))), ROWS_A_REQUEST))
        return orjson.dumps({"instances": [row["features"] for row in rows]}).decode(), len(rows)

    def flights(self, period: int) -> Iterator[Held]:
        """The rows that all users draw from."""
        files: dict[int, Iterator[Held]] = self.environment.__dict__.setdefault("flights", {})
        if period not in files:
            lines = Path(self.environment.parsed_options.flights[period]).read_bytes().splitlines()
            files[period] = itertools.cycle(map(orjson.loads, lines))
        return files[period]

    def judge(self, answer: Any, rows: int) -> tuple[str, str]:
        """The class of the first flight, and why the answer is a failure; one of the two is empty."""
        _, error = super().judge(answer, rows)
        predictions = None if error else decode_predictions(answer.content)
        if error or predictions is None:
            return "", error or "the answer holds no classes with probabilities"
        return predictions[0]["class"], ""


@dataclass
class Period:
    """One period of flights, times in seconds since 1970: its windows, when each was first seen, and its alerts."""

    name: str
    begin: float
    sent: float = 0.0
    windows: list[Held] = field(default_factory=list)
    seen: dict[int, float] = field(default_factory=dict)
    alerts: list[Held] = field(default_factory=list)


def conduct(test: LoadTest) -> Outcome:
    """Deploy the first version, send its own months, then July, and wait for the alert."""
    from modelyard.workspace import ensure_workspace

    version = served_version(test)
    workspace = ensure_workspace(test.conn, test.view.say)
    files = [workspace.traffic(period, seed=1) for period in (ORDINARY, DRIFTED)]
    watch = Watch(test, version)
    given = [part for file in files for part in ("--flights", str(file))]
    with test.traffic("--cued", "--seconds", str(MOST_SECONDS), "--think", str(THINK_S), *given) as locust:
        ordinary = watch.ordinary(locust)
        july = watch.drifted(locust)
    return judge(test, test.requests(), ordinary, july, watch)


def served_version(test: LoadTest) -> str:
    """The model version that is asked: that of `--name`, else the first one of the v1 data, which is deployed here.

    Raises:
        VersionUnusable, RegistryError: there is none.
    """
    from modelyard.registry.deployment import MODEL_VERSION, manifest
    from modelyard.registry.models import list_versions

    if test.choices.name:
        found = (test.services.get(test.name) or {}).get("metadata", {}).get("annotations", {}).get(MODEL_VERSION)
        if found is None:
            raise VersionUnusable(
                f"InferenceService {test.name} serves no registered version", next_command="./invoke load drift"
            )
        return str(found)
    version = next((held for held in list_versions(test.conn, MODEL) if held.data_version == DATA), None)
    if version is None:
        raise RegistryError(
            f"no version of {MODEL} was trained on data {DATA}",
            next_command=f"./invoke data --version {DATA} && ./invoke train",
        )
    test.view.say(f"InferenceService {test.name} serves {MODEL} version {version.version}")
    test.deploy(manifest(test.conn, MODEL, version.version, name=test.name, namespace=test.namespace))
    return version.version


class Watch:
    """Sends the periods, and looks at the monitor, Prometheus and the alerts meanwhile."""

    def __init__(self, test: LoadTest, version: str) -> None:
        self.test, self.version = test, version
        self.monitor = Monitor(test.conn, test.name, test.namespace)
        self.rows_before = self.rows()
        self.newest = max((w["number"] for w in self.windows()), default=-1)

    def rows(self) -> int:
        """Rows of the version that the monitor has logged."""
        held = self.monitor.version(self.version)
        return int(held["rows"]) if held else 0

    def windows(self) -> list[Held]:
        """Drift windows of the version, oldest first."""
        return self.monitor.windows(self.version, "drift")

    def ordinary(self, locust: Locust) -> Period:
        """The model's own months: whole windows, each judged, scraped and seen by every rule."""
        period = self._begin("January to March")
        locust.cue(USERS, period=0)
        self._wait_requests(locust, ORDINARY_WINDOWS * WINDOW_ROWS // ROWS_A_REQUEST)
        self._end(locust, period, 0)
        self._wait(period, lambda: len(period.windows) >= ORDINARY_WINDOWS, "windows of the model's own months", 120)
        scrape_s, rules_s = self.test.prometheus.intervals()
        quiet = time.time() + scrape_s + 2 * rules_s + self.group_wait_s()
        self._wait(period, lambda: time.time() > quiet, "an alert that would come now", 60)
        self.test.view.say(f"{len(period.windows)} windows, {len(period.alerts)} alerts")
        return period

    def drifted(self, locust: Locust) -> Period:
        """July, until its alert comes or so many rows were sent that it should have."""
        period = self._begin("July")
        enough = locust.progress["requests"] + MOST_WINDOWS * WINDOW_ROWS // ROWS_A_REQUEST
        locust.cue(USERS, period=1)
        self._wait(period, lambda: bool(period.alerts) or locust.progress["requests"] >= enough, "July's flights", 120)
        self._end(locust, period, 1)
        try:
            self._wait(period, lambda: bool(period.alerts), f"alert {ALERT}", 60)
        except WaitTimeout:
            self.test.view.say("no alert came")
        self.monitor.wait_drained()
        self._look(period)
        return period

    def unseen(self, requests: Sequence[Request]) -> int:
        """Answered rows that the monitor has not logged."""
        answered = sum(ROWS_A_REQUEST for request in requests if not request.failed)
        return answered - (self.rows() - self.rows_before)

    def floor(self) -> dict[str, float]:
        """The longest that each part of an alert's way may take after its window was judged, in seconds."""
        scrape_s, rules_s = self.test.prometheus.intervals()
        return {"scrape": scrape_s, "recording rule": rules_s, "alert rule": rules_s, "group": self.group_wait_s()}

    def group_wait_s(self) -> float:
        """How long Alertmanager waits for further alerts of a group."""
        import httpx
        import yaml

        held = httpx.get(f"{self.test.conn.address('alertmanager')}/api/v2/status", timeout=10, trust_env=False)
        route = yaml.safe_load(held.json()["config"]["original"])["route"]
        return parse_duration(str(route.get("group_wait", "30s")))

    def _begin(self, name: str) -> Period:
        self.monitor.begin_phase(name)
        self.test.view.say(f"flights of {name}")
        return Period(name, time.time())

    def _end(self, locust: Locust, period: Period, number: int) -> None:
        """No further request, and every row that was answered is the monitor's, before another period may begin."""
        locust.cue(0, period=number)
        self._wait(period, lambda: locust.progress["users"] == 0 and not locust.progress["in_flight"], "answers", 60)
        period.sent = time.time()
        self.monitor.wait_drained()
        self._look(period)

    def _wait_requests(self, locust: Locust, wanted: int) -> None:
        self.test.wait(lambda: locust.progress["requests"] >= wanted, what=f"{wanted} answers", deadline_s=120)

    def _wait(self, period: Period, probe: Callable[[], bool], what: str, deadline_s: float) -> None:
        def looked() -> bool:
            self._look(period)
            return probe()

        self.test.wait(looked, what=what, deadline_s=deadline_s)

    def _look(self, period: Period) -> None:
        """New windows and alerts since the period began, each with the time at which it was first seen."""
        new = [window for window in self.windows() if window["number"] > self.newest]
        period.windows = [window for window in new if window["phase"] == period.name]
        for window in period.windows:
            period.seen.setdefault(window["number"], time.time())
        period.alerts = [
            alert
            for alert in self.monitor.alerts()
            if alert["labels"].get("inferenceservice") == self.test.name
            and alert["status"] == "firing"
            and as_seconds(alert["received"]) >= period.begin
        ]


def judge(test: LoadTest, requests: Sequence[Request], ordinary: Period, july: Period, watch: Watch) -> Outcome:
    """Verdicts and chart of what was measured."""
    floor = watch.floor()
    first = july.windows[0] if july.windows else None
    judged = july.seen[first["number"]] if first else None
    filled = as_seconds(first["ended"]) if first else None
    alert = next((a for a in july.alerts if a["labels"].get("alertname") == ALERT), None)
    received = as_seconds(alert["received"]) if alert else None
    way_s = received - judged if received is not None and judged is not None else None
    verdicts: list[Verdict] = [
        test.verdict("false_alerts", len(ordinary.alerts)),
        test.verdict("windows", len(ordinary.windows)),
        test.verdict("judged_s", judged - filled if judged is not None and filled is not None else None),
        judge_way(test.objective("over_floor_s"), way_s, floor),
        test.verdict("unseen", watch.unseen(requests)),
        test.verdict("failures", failures(requests) if requests else None),
    ]
    figures = {
        "model version": watch.version,
        "window filled (s after July's first flight)": rounded(filled, july.begin),
        "window judged (s after it was full)": rounded(judged, filled),
        "alert at the webhook (s after the window was judged)": rounded(received, judged),
        "floor of that way (s)": f"{sum(floor.values()):g}: " + ", ".join(f"{k} {v:g}" for k, v in floor.items()),
        "alert at the webhook (s after July's first flight)": rounded(received, july.begin),
        "requests, rows": f"{len(requests)}, {len(requests) * ROWS_A_REQUEST}",
        "p50, p95 (ms)": [round(latency_ms(requests, p) or 0, 1) for p in (50, 95)],
        "first failure": first_failure(requests) or "none",
    }
    return Outcome(verdicts, *draw(test.began, requests, ordinary, july, received), figures)


def judge_way(objective: Objective, way_s: float | None, floor: Mapping[str, float]) -> Verdict:
    """Whether an alert took no longer than its parts may take together, and what the objective allows over that."""
    floor_s = sum(floor.values())
    parts = " + ".join(f"{part} {seconds:g}" for part, seconds in floor.items())
    return Verdict(
        objective.claim,
        "no alert" if way_s is None else f"{way_s:.1f} s",
        f"at most {floor_s + (objective.at_most or 0):g} s ({parts}, and {objective.at_most:g} for the way)",
        held=way_s is not None and way_s - floor_s <= (objective.at_most or 0),
    )


def draw(
    began: float, requests: Sequence[Request], ordinary: Period, july: Period, received: float | None
) -> tuple[list[Panel], list[Band], float]:
    """Drift, alerts, load and latency over time."""
    seconds = max([time.time() if not requests else requests[-1].ended, july.sent, received or 0.0]) + 1 - began
    far = [
        (as_seconds(window["ended"]) - began, window["columns"].get("dewp"))
        for period in (ordinary, july)
        for window in period.windows
    ]
    alerts: list[tuple[float, float | None]] = [(0.0, 0.0), (seconds, 0.0)]
    if received is not None:
        alerts[1:] = [(received - began, 1.0), (seconds, 1.0)]
    panels = [
        Panel(
            "Distance of the dew point from its reference (standard deviations)",
            [Curve("a window, at its last row", far, "dots")],
            Limit(1.5, "alert at 1.5"),
        ),
        Panel("Alerts that have reached the webhook", [Curve(ALERT, alerts, "area")], whole=True),
        load_panel(requests, began, seconds),
        latency_panel(requests, began, seconds),
    ]
    middle = july.begin - began
    return panels, [Band(0.0, middle, ordinary.name), Band(middle, seconds, july.name)], seconds


def rounded(end: float | None, begin: float | None) -> str:
    """A span of time as it is read."""
    return "no data" if end is None or begin is None else f"{end - begin:.1f}"


def as_seconds(moment: str) -> float:
    """Seconds since 1970 of an ISO 8601 time."""
    return datetime.fromisoformat(moment).timestamp()
