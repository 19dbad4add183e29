"""Runs loadtests/replay.py: Locust in a process of its own, because gevent replaces half of the standard library."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelyard.connections import REPOSITORY, Connections
from modelyard.load.process import Locust, environment_of, locust_argv

LOCUSTFILE = REPOSITORY / "loadtests" / "replay.py"
DEADLINE_S = 700.0
"""The replay itself ends after 600."""


@dataclass(frozen=True)
class Order:
    """What is to be sent: `skip` rows of the file are left out, then at most `rows` are sent.

    With `follow` the truths are posted as answers come; with `until_truths` the replay ends when the monitor has so
    many new truths of `version`.
    """

    flights: Path
    label: str
    rows: int
    skip: int = 0
    rows_a_request: int = 10
    users: int = 8
    follow: bool = False
    until_truths: int = 0
    version: str = ""
    inferenceservice: str = "flights"
    namespace: str = "default"


@dataclass(frozen=True)
class Sent:
    """What was sent and answered; `summary` is Locust's own, `answers` one line a request."""

    order: Order
    answers: Path
    summary: dict[str, Any]
    command: str

    @property
    def rows(self) -> int:
        """Rows that were answered."""
        return int(self.summary["rows"])

    @property
    def failures(self) -> int:
        """Requests that were not answered as they should."""
        return int(self.summary["failures"])

    def requests(self) -> Iterator[dict[str, Any]]:
        """Every request that was answered: id (Ce-Id), rows, truths, classes."""
        with self.answers.open(encoding="utf-8") as held:
            for line in held:
                kept = json.loads(line)
                if kept["classes"] is not None:
                    yield kept

    def truths(self) -> Iterator[dict[str, Any]]:
        """Truths as the monitor wants them; flights that never arrived have none."""
        for kept in self.requests():
            for row, truth in enumerate(kept["truths"]):
                if truth is not None:
                    yield {"id": kept["id"], "row": row, "class": truth}

    def mix(self) -> dict[str, float]:
        """Share of each predicted class."""
        counted = Counter(name for kept in self.requests() for name in kept["classes"])
        return {name: count / counted.total() for name, count in counted.items()}


def command_of(conn: Connections, order: Order, answers: Path) -> list[str]:
    """The command line of a replay, without any secret in it."""
    argv = locust_argv(LOCUSTFILE, "--users", str(order.users), "--spawn-rate", str(order.users))
    argv += ["--host", conn.gateway, "--flights", str(order.flights), "--label", order.label]
    argv += ["--limit", str(order.rows), "--skip", str(order.skip), "--rows-a-request", str(order.rows_a_request)]
    argv += ["--inferenceservice", order.inferenceservice, "--namespace", order.namespace, "--answers", str(answers)]
    argv += ["--while-pid", str(os.getpid())]
    if order.follow:
        argv += ["--truth", "follow"]
    if order.until_truths:
        argv += ["--until-truths", str(order.until_truths), "--model-version", order.version]
    return argv


def send(conn: Connections, order: Order, folder: Path, tell: Callable[[str], None] = lambda line: None) -> Sent:
    """Replay flights and wait until it is over; answers and Locust's log are kept in `folder`.

    Raises:
        CommandFailed: Locust did not run to its end. Requests that failed are no error here: they are counted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    answers, log = folder / f"{order.label}.ndjson", folder / f"{order.label}.log"
    answers.unlink(missing_ok=True)
    argv = command_of(conn, order, answers)

    def on_progress(told: dict[str, Any]) -> None:
        tell(_progress(told, order))

    with Locust(argv, log, environment_of(conn.layout.folder), on_progress) as running:
        running.wait(DEADLINE_S)
    return Sent(order, answers, running.summary, shown(argv))


def shown(argv: list[str]) -> str:
    """The command as a person can type it: without what only serves this process."""
    kept = [part for part in argv[3:] if part]
    place = kept.index("--while-pid")
    return "locust " + " ".join(kept[:place] + kept[place + 2 :])


def _progress(held: dict[str, Any], order: Order) -> str:
    wanted = f", {held['version_truths']} truths of version {order.version}" if order.until_truths else ""
    return f"{held['rows']} rows, {held['requests_per_second']:.0f} requests/s, {held['failures']} failed{wanted}"
