"""What every chapter works with: the yard's APIs, the plan, the narrator, and what the story knows so far."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.kube import InferenceServices
from modelyard.monitor.client import Monitor
from modelyard.prometheus import Prometheus
from modelyard.story.locust import Order, Sent, send
from modelyard.story.state import State
from modelyard.waiting import wait_until

if TYPE_CHECKING:
    from modelyard.codec import Prediction
    from modelyard.connections import Connections
    from modelyard.story.narrator import Narrator
    from modelyard.story.plan import Plan
    from modelyard.workspace import Workspace

MODEL = "flights"
ROWS_DEADLINE_S = 10.0
Held = dict[str, Any]


@dataclass(frozen=True)
class Since:
    """Where a version stood in the monitor when a phase began: counts, newest windows, and a row before the phase."""

    phase: str
    version: str
    at: float
    rows: int
    drift: int
    quality: int
    seq: int


class Story:
    """One telling of the story on one yard; its folder holds the report, the state and what Locust left."""

    def __init__(self, conn: Connections, plan: Plan, narrator: Narrator, folder: Path, namespace: str) -> None:
        self.conn, self.plan, self.narrator, self.folder = conn, plan, narrator, folder
        self.name, self.namespace = MODEL, namespace
        self.state = State(folder / "state.json")
        self.run = folder.name
        self.monitor = Monitor(conn, self.name, namespace)
        self.prometheus = Prometheus(conn.address("prometheus"))

    @cached_property
    def services(self) -> InferenceServices:
        """InferenceServices of the story's namespace."""
        return InferenceServices(self.conn.kubeconfig, self.namespace)

    @cached_property
    def workspace(self) -> Workspace:
        """The person's workspace; what its programs print is shown as details."""
        from modelyard.workspace import ensure_workspace

        return ensure_workspace(self.conn, self.narrator.detail)

    def need(self, fact: str, *, chapter: str) -> Any:
        """A fact of an earlier chapter, or an error that says which chapter leaves it."""
        return self.state.need(fact, chapter=chapter)

    def flights(self, phase: str) -> Path:
        """All flights of a phase in their random order."""
        return self.workspace.traffic(phase, seed=1)

    def begin(self, phase: str, version: str) -> Since:
        """Begin a phase of the replay; what the monitor has of the version until now is not of this phase."""
        self.monitor.begin_phase(phase)
        return self.since(phase, version)

    def since(self, phase: str, version: str) -> Since:
        """Where a version stands in the monitor now."""
        held = self.monitor.version(version) or {}
        return Since(
            phase=phase,
            version=version,
            at=time.time(),
            rows=held.get("rows", 0),
            drift=self._newest(version, "drift"),
            quality=self._newest(version, "quality"),
            seq=max((w["last_seq"] for w in self.monitor.windows(version, "drift")), default=0),
        )

    def rows(self, version: str | None) -> int:
        """Rows of a version that the monitor has logged since it knows the version."""
        held = self.monitor.version(version) if version else None
        return int(held["rows"]) if held else 0

    def wait_rows(self, since: Since, rows: int) -> int:
        """Rows of a version since a phase began: waits a little for `rows`, because the payload log comes after."""
        from modelyard.errors import WaitTimeout

        with suppress(WaitTimeout):  # what is missing then is the finding
            wait_until(
                lambda: self.rows(since.version) - since.rows >= rows,
                what=f"{rows} rows of version {since.version}",
                deadline_s=ROWS_DEADLINE_S,
            )
        return self.rows(since.version) - since.rows

    def replay(self, flights: Path, since: Since, *, rows: int, **more: Any) -> Sent:
        """Send flights through the gateway; the Ce-Ids begin with this run and the phase."""
        order = Order(
            flights=flights,
            label=f"{self.run}.{re.sub('[^a-z0-9]+', '-', since.phase.lower())}",
            rows=rows,
            rows_a_request=self.plan.rows_a_request,
            users=self.plan.users,
            inferenceservice=self.name,
            namespace=self.namespace,
            **more,
        )
        with self.narrator.working(f"Locust sends {order.flights.name}") as tell:
            sent = send(self.conn, order, self.folder / "locust", tell)
        told = sent.summary
        self.narrator.say(
            f"{sent.rows} flights in {told['requests']} requests, {told['requests_per_second']:.0f} requests/s, "
            f"p95 {told['p95_ms'] or 0:.0f} ms, {sent.failures} failed"
        )
        return sent

    def windows(self, since: Since, kind: str) -> list[Held]:
        """Windows of a phase, oldest first."""
        newest = since.drift if kind == "drift" else since.quality
        return [w for w in self.monitor.windows(since.version, kind) if w["number"] > newest]

    def wait_windows(self, since: Since, *, drift: int = 0, quality: int = 0) -> None:
        """Wait until the phase has at least so many windows of each kind, and the monitor's backlog is empty.

        Raises:
            TrafficMissing: the monitor has not the rows for so many windows, so that waiting would be in vain.
            WaitTimeout: the windows did not come in time.
        """
        from modelyard.errors import TrafficMissing

        needed = drift * self.plan.window_rows
        if (seen := self.wait_rows(since, needed)) < needed:
            raise TrafficMissing(
                f"the monitor has {seen} rows of version {since.version} in phase {since.phase}",
                allowed=f"{needed} rows for {drift} windows",
                next_command="./invoke why monitor",
            )
        wanted = {"drift": drift, "quality": quality}

        def counted() -> dict[str, int]:
            return {kind: len(self.windows(since, kind)) for kind in wanted}

        def enough() -> bool:
            found = counted()
            tell(", ".join(f"{found[kind]} of {n} {kind} windows" for kind, n in wanted.items() if n))
            return all(found[kind] >= n for kind, n in wanted.items())

        with self.narrator.working(f"the monitor reports on {since.phase}") as tell:
            wait_until(
                enough,
                what=f"{wanted} windows of version {since.version} in phase {since.phase}",
                deadline_s=self.plan.wait_s,
                interval_s=0.25,
                next_command="./invoke logs monitor",
                last_answer=lambda: f"there are {counted()}",
            )
            self.monitor.wait_drained(self.plan.wait_s)

    def wait_alert(self, name: str, since: Since, status: str = "firing", **labels: str) -> Held | None:
        """The first alert of that name and status that reached the webhook since the phase began; None in vain."""
        from modelyard.errors import WaitTimeout

        wanted = {"alertname": name, "inferenceservice": self.name, "model_version": since.version, **labels}

        def arrived() -> Held | None:
            return next((a for a in self.alerts(since.at, status) if wanted.items() <= a["labels"].items()), None)

        try:
            with self.narrator.working(f"alert {name} on its way"):
                return wait_until(arrived, what=f"alert {name}", deadline_s=self.plan.wait_s, interval_s=0.25)
        except WaitTimeout:
            return None

    def alerts(self, since: float, status: str = "") -> list[Held]:
        """Alerts about the story's InferenceService that reached the webhook since a time (seconds since 1970)."""
        return [
            alert
            for alert in self.monitor.alerts()
            if seconds_of(alert["received"]) >= since
            and alert["labels"].get("inferenceservice") == self.name
            and (not status or alert["status"] == status)
        ]

    def wait_evaluated(self, promql: str, holds: Callable[[float], bool]) -> None:
        """Wait until Prometheus has scraped a value that holds, and has evaluated every alert rule after it."""
        with self.narrator.working("Prometheus evaluates its rules"):
            wait_until(
                lambda: (value := self.prometheus.value(promql)) is not None and holds(value),
                what=f"Prometheus to have {promql}",
                deadline_s=60,
                interval_s=0.25,
            )
            for _ in range(2):  # a recording rule has to see it, and then an alert rule
                self._wait_evaluation(time.time())

    def _wait_evaluation(self, after: float) -> None:
        wait_until(
            lambda: self.prometheus.evaluated() > after,
            what="Prometheus to evaluate its rules",
            deadline_s=60,
            interval_s=0.25,
        )

    def selector(self, version: str) -> str:
        """PromQL labels of a version of the story's InferenceService."""
        return f'{{namespace="{self.namespace}",inferenceservice="{self.name}",model_version="{version}"}}'

    def score(self, version: str, rows: Sequence[Held]) -> list[Prediction]:
        """What a registered version answers, without a model server."""
        from modelyard.registry.scoring import score

        return score(self.conn, version, rows)

    def draw(self, since: Since, sent: Sent | None = None, title: str = "") -> None:
        """Keep what the charts of the report need of a phase."""
        figures = self.state.figures
        title = title or since.phase
        for kind, read in (("drift", drift_point), ("quality", quality_point)):
            kept = [point for point in figures.get(kind, []) if point["phase"] != title]
            figures[kind] = kept + [read(title, since.version, w) for w in self.windows(since, kind)]
        if sent is not None:
            figures.setdefault("mix", {})[f"{title}, v{since.version}"] = sent.mix()
        self.state.save()

    def _newest(self, version: str, kind: str) -> int:
        return max((w["number"] for w in self.monitor.windows(version, kind)), default=-1)


def drift_point(phase: str, version: str, window: Held) -> Held:
    """A drift window as the report's charts want it."""
    return {"phase": phase, "version": version, "number": window["number"], "dewp": window["columns"].get("dewp")}


def quality_point(phase: str, version: str, window: Held) -> Held:
    """A quality window as the report's charts want it."""
    return {
        "phase": phase,
        "version": version,
        "number": window["number"],
        "accuracy": window["accuracy"],
        "early": window["recall"].get("early"),
    }


def seconds_of(moment: str | float) -> float:
    """Seconds since 1970 of an ISO 8601 time."""
    if isinstance(moment, int | float):
        return float(moment)
    parsed = datetime.fromisoformat(moment)
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of what was measured; None where nothing was."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
