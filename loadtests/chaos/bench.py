"""What the chaos programs work on: a yard of their own with an InferenceService under Locust, and an event client."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loadtests.chaos.figures import Run, summary, table, write_json
from loadtests.chaos.ingest import Ledger
from modelyard.errors import YardError
from modelyard.load import models
from modelyard.load.measures import Request, read_requests
from modelyard.load.process import Locust, environment_of, locust_argv
from modelyard.settings import Settings, load_settings
from modelyard.waiting import wait_until
from modelyard.yard import marks
from modelyard.yard.down import take_down
from modelyard.yard.status import observe
from modelyard.yard.up import bring_up

if TYPE_CHECKING:
    from modelyard.connections import Connections

NAME, NAMESPACE = "chaos", "default"
REPLICAS, USERS = 2, 4
SERVICE_S, THINK_S = 0.02, 0.05
REPAIR_S = 300.0
"""Generous: on a machine that is busy with other things MLflow alone takes a minute."""
AFTERWARDS = 20
"""Answers that must come after the repair before the next run."""


@dataclass
class Bench:
    """A yard that is up, with the InferenceService deployed; `folder` is not the yard's, whose disk may be full."""

    settings: Settings
    conn: Connections
    folder: Path

    def deploy(self) -> None:
        """Apply the InferenceService with its payload log, and wait until it is ready."""
        from modelyard.kube import InferenceServices

        services = InferenceServices(self.conn.kubeconfig, NAMESPACE)
        logger = {"logger": {"mode": "all", "url": self.conn.logger_url}}
        model = models.store(self.conn, "here")
        applied = services.apply(
            models.manifest(NAME, NAMESPACE, model, minReplicas=REPLICAS, maxReplicas=REPLICAS, **logger)
        )
        services.wait_ready(NAME, generation=applied["metadata"]["generation"])

    def predict(self) -> bool:
        """Whether the InferenceService answers through the gateway."""
        from modelyard.endpoint import ask

        try:
            return ask(self.conn, NAME, [[0.0]]) == ["here"]
        except YardError:
            return False

    def marked(self) -> list[marks.Marked]:
        """Every process of the yard, in the order of their start."""
        return sorted(marks.find_marked(self.conn.layout.yard_id), key=lambda held: (held.started, held.pid))

    def model_servers(self) -> int:
        """How many model servers live."""
        return sum(held.service == "replicas" and held.leads_session for held in self.marked())

    def trouble(self) -> str:
        """What keeps the yard from being whole: "" where every service is ready, watched, and predictions come."""
        there = [held.service for held in self.marked()]
        for name in ("supervisor", "keeper"):
            if there.count(name) != 1:
                return f"{there.count(name)} processes of the {name}"
        bad = [
            f"{held.name} is {held.state}: {held.told}"
            for held in observe(self.settings).services
            if not held.ready and not held.optional
        ]
        if bad:
            return "; ".join(bad)
        if (serving := self.model_servers()) < REPLICAS:
            return f"{serving} of {REPLICAS} model servers"
        return "" if self.predict() else "no prediction"

    def wait_whole(self, also: Callable[[], bool] = lambda: True) -> str:
        """Wait until nothing is wrong and `also` holds; what was still wrong at the deadline, else ""."""
        told = [""]

        def whole() -> bool:
            told[0] = "what was killed is still there" if not also() else self.trouble()
            return not told[0]

        try:
            wait_until(whole, what="the yard to be whole", deadline_s=REPAIR_S, interval_s=0.25)
        except YardError:
            return told[0]
        return ""

    @contextmanager
    def locust(self, name: str) -> Iterator[Traffic]:
        """Locust with its users on the InferenceService."""
        csv = self.folder / f"{name}.csv"
        argv = locust_argv(
            Path(__file__).with_name("traffic.py"),
            *("--host", self.conn.gateway, "--inferenceservice", NAME, "--hostname", self.conn.host(NAME, NAMESPACE)),
            *("--requests", str(csv), "--stop-timeout", "30", "--cued", "--seconds", "3600", "--think", str(THINK_S)),
            *("--body", f'{{"instances": [[{SERVICE_S}]]}}', "--limit", "1000000"),
        )
        with Locust(argv, self.folder / f"{name}.log", environment_of(self.conn.layout.folder)) as locust:
            wait_until(lambda: locust.progress, what="Locust to start", deadline_s=60)
            locust.cue(USERS)
            traffic = Traffic(locust, csv)
            traffic.wait_answers(AFTERWARDS)
            yield traffic


@dataclass
class Traffic:
    """Locust under way."""

    process: Locust
    csv: Path

    def answered(self) -> int:
        """Requests that were answered as they should."""
        return int(self.process.progress["requests"]) - int(self.process.progress["failures"])

    def wait_answers(self, more: int) -> None:
        """Wait for so many further answers."""
        enough = self.answered() + more
        wait_until(lambda: self.answered() >= enough, what=f"{more} answers", deadline_s=REPAIR_S)

    def since(self, began: float) -> list[Request]:
        """Requests that were under way at that time or began later (seconds since 1970)."""
        return [request for request in read_requests(self.csv) if request.ended >= began]


def lost_events(ledger: Ledger, acknowledged: Sequence[str]) -> list[str]:
    """Ce-Ids of what was acknowledged and is not there."""
    kept = ledger.kept()
    return [identity for identity in acknowledged if identity not in kept]


@contextmanager
def bench(folder: Path | None = None) -> Iterator[Bench]:
    """A bench in a folder of its own, taken down and removed at the end."""
    own = Path(tempfile.mkdtemp(prefix="modelyard-chaos-"))
    place = folder or own
    settings = Settings(
        state_dir=place, name="chaos", ports="auto", cache_dir=load_settings().cache_dir, up_deadline_s=REPAIR_S
    )
    try:
        made = Bench(settings, bring_up(settings), own)
        made.deploy()
        yield made
    finally:
        take_down(settings)
        shutil.rmtree(own, ignore_errors=True)


def main(doc: str, conduct: Callable[[Bench, Sequence[int]], Iterator[Run]]) -> int:
    """Read the options, run, print the table and say whether what must never happen did not."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="of the first run; the next ones count on")
    parser.add_argument("--json", type=Path, help="file for every figure")
    asked = parser.parse_args()
    runs: list[Run] = []
    with bench() as held:
        for run in conduct(held, range(asked.seed, asked.seed + asked.runs)):
            runs.append(run)
            print(" ".join(run.row()), run.told, file=sys.stderr, flush=True)
    print(table(runs))
    print(summary(runs))
    if asked.json:
        write_json(asked.json, runs)
    return 0 if all(run.is_good for run in runs) else 1


def failures_of(requests: Sequence[Request]) -> tuple[int, str]:
    """How many failed, and why the first did."""
    failed = [request for request in requests if request.failed]
    return len(failed), f"{failed[0].status} {failed[0].error}" if failed else ""
