"""Twenty sequences of what people and accidents do to services under steady load; no request may fail.

The sequences follow from SEED and are printed with their outcome. They run in four lanes, each with a service of its
own on one runtime, so that a control plane that is killed in one lane is killed for all. A lane that is done with a
sequence takes the next one: how long they are cannot be known before.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx
import psutil
import pytest

from modelyard.kube import traffic
from modelyard.waiting import wait_until

SEED = int(os.environ.get("MODELYARD_CHAOS_SEED", "13"))
STEPS = (
    "scale out",
    "scale in",
    "to zero and back",
    "canary change",
    "new revision",
    "promote",
    "roll back",
    "replica kill",
    "control-plane kill",
)
SEQUENCES, LANES = 20, 4
CALM_RPS, BUSY_RPS, TARGET_RPS = 20.0, 70.0, 40
"""A replica is meant for 70% of the target: one in calm, three when busy."""
MOST_REPLICAS = 3
SETTLED_ANSWERS = 30
"""Answers after which a step that is given time has been under load."""
PATIENCE_S = 120.0


def sequences(seed: int) -> list[list[str]]:
    """Twenty sequences of four or five steps in which every step comes ten times."""
    drawn = random.Random(seed)
    deck = list(STEPS) * 10
    drawn.shuffle(deck)
    cuts = [5 if number % 2 else 4 for number in range(SEQUENCES)]
    return [[deck.pop() for _ in range(length)] for length in cuts]


@dataclass
class Load:
    """Requests to one service at a rate that can be changed; what was not answered with 200 is kept."""

    runtime: object
    name: str
    rps: float = CALM_RPS
    sent: int = 0
    failed: list[str] = field(default_factory=list)
    step: str = "start"
    _ending: threading.Event = field(default_factory=threading.Event)
    _workers: list[threading.Thread] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _due: float = 0.0

    def start(self) -> None:
        self._workers = [threading.Thread(target=self._run) for _ in range(4)]
        for worker in self._workers:
            worker.start()

    def stop(self) -> None:
        self._ending.set()
        for worker in self._workers:
            worker.join(PATIENCE_S)

    def _run(self) -> None:
        body = {"instances": self.runtime.models["plain"].rows.to_numpy().tolist()}
        truth = self.runtime.models["plain"].truth.tolist()
        url = f"{self.runtime.conn.gateway}/v1/models/{self.name}:predict"
        headers = {"Host": self.runtime.conn.host(self.name, "default")}
        with httpx.Client(timeout=PATIENCE_S, headers=headers) as client:
            while not self._ending.wait(self._pause()):
                if self.rps == 0:
                    continue
                began = time.monotonic()
                try:
                    answer = client.post(url, json=body)
                    told = "" if answer.status_code == 200 and answer.json()["predictions"] == truth else answer.text
                    told = f"{answer.status_code} {told}" if told else ""
                except httpx.HTTPError as error:
                    told = repr(error)
                with self._lock:
                    self.sent += 1
                    if told:
                        stamp = time.strftime("%H:%M:%S")
                        took = time.monotonic() - began
                        self.failed.append(f"{stamp} {self.name} during {self.step!r} after {took:.2f}s: {told[:300]}")

    def _pause(self) -> float:
        """Seconds until this worker's next request: all of them share one clock."""
        with self._lock:
            now = time.monotonic()
            if self.rps == 0:
                return 0.05
            self._due = max(self._due, now - 0.5) + 1 / self.rps
            return max(0.0, self._due - now)


@dataclass
class Lane:
    """One service, its load, and what can be done to it."""

    runtime: object
    name: str
    drawn: random.Random
    load: Load
    control_plane: threading.Lock
    told: list[str] = field(default_factory=list)

    def do(self, step: str) -> None:
        """Take a step; after every other one the next comes at once, into what this one has set off."""
        self.load.step = step
        began = time.monotonic()
        getattr(self, step.replace(" ", "_").replace("-", "_"))()
        self.told.append(f"{step} {time.monotonic() - began:.1f}s")
        if self.drawn.random() < 0.5:
            self.answered(SETTLED_ANSWERS)

    def scale_out(self) -> None:
        before = self.count()
        self.load.rps = BUSY_RPS
        self.until(lambda: self.count() > min(before, 2), "more replicas")

    def scale_in(self) -> None:
        self.load.rps = CALM_RPS
        self.until(lambda: self.count() <= len(self.parts()), "one replica a revision")

    def to_zero_and_back(self) -> None:
        self.until(lambda: self.count() > 0, "a replica to go")
        self.load.rps = 0
        self.until(lambda: self.count() == 0, "the last replica to go")
        self.load.rps = CALM_RPS  # and on with the next step, while it wakes

    def canary_change(self) -> None:
        self.patch(predictor={"canaryTrafficPercent": self.drawn.choice((5, 25, 50, 90))})

    def new_revision(self) -> None:
        self.patch(annotations={"example.com/build": str(self.drawn.randrange(10**9))})

    def promote(self) -> None:
        self.patch(predictor={"canaryTrafficPercent": None})

    def roll_back(self) -> None:
        self.patch(predictor={"canaryTrafficPercent": 0})

    def replica_kill(self) -> None:
        self.until(lambda: self.count() > 0, "a replica to kill")
        psutil.Process(self.drawn.choice(self.replicas()).pid).kill()

    def control_plane_kill(self) -> None:
        with self.control_plane:
            self.runtime.end("serving", signal.SIGKILL)
            self.runtime.start("serving")

    def patch(self, *, predictor: dict | None = None, annotations: dict | None = None) -> None:
        """Patch the service, and wait until it has taken note; what follows from it may take longer."""
        change = {"spec": {"predictor": predictor or {}}, "metadata": {"annotations": annotations or {}}}
        held = self.calling(lambda: self.runtime.services.patch(self.name, change))
        generation = held["metadata"]["generation"]
        self.calling(lambda: self.runtime.services.wait_ready(self.name, generation=generation, deadline_s=PATIENCE_S))

    def calling(self, call: Callable[[], dict]) -> dict:
        """Call the Kubernetes API; while no control plane is there, again and again, as any client must."""
        return wait_until(call, what=f"the API to answer about {self.name}", deadline_s=PATIENCE_S)

    def answered(self, answers: int) -> None:
        sent = self.load.sent
        self.until(lambda: self.load.sent >= sent + answers, "more answers")

    def until(self, holds: Callable[[], bool], what: str) -> None:
        wait_until(holds, what=f"{self.name}: {what}", deadline_s=PATIENCE_S, interval_s=0.05)

    def replicas(self) -> list:
        return [r for r in self.runtime.replicas() if r.spec.inferenceservice == self.name]

    def count(self) -> int:
        return len(self.replicas())

    def parts(self) -> list:
        return traffic(self.calling(lambda: self.runtime.services.get(self.name)))


@pytest.fixture
def lanes(runtime, deployed) -> Iterator[list[Lane]]:
    control_plane = threading.Lock()
    held = []
    for number in range(LANES):
        name = f"storm{number}"
        deployed(
            name,
            "plain",
            annotations={"autoscaling.knative.dev/window": "6s"},
            minReplicas=0,
            maxReplicas=MOST_REPLICAS,
            scaleMetric="rps",
            scaleTarget=TARGET_RPS,
        )
        held.append(Lane(runtime, name, random.Random(), Load(runtime, name), control_plane))
    for lane in held:
        lane.load.start()
    yield held
    for lane in held:
        lane.load.stop()


def run_lane(lane: Lane, planned: Iterator[tuple[int, list[str]]], outcomes: list[str]) -> None:
    for number, steps in planned:
        lane.drawn.seed(SEED * 1000 + number)
        lane.told.clear()
        failed, sent, error = len(lane.load.failed), lane.load.sent, ""
        try:
            for step in steps:
                lane.do(step)
            lane.answered(SETTLED_ANSWERS)
        except Exception as caught:
            error = f"; stuck in {lane.load.step!r}: {caught}"
            lane.load.failed.append(f"sequence {number}{error}")
        lost = len(lane.load.failed) - failed
        outcomes.append(
            f"sequence {number:2d} on {lane.name}: {', '.join(lane.told)}; "
            f"{lane.load.sent - sent} requests, {lost} failed{error}"
        )
    lane.load.stop()


def test_twenty_random_sequences_of_changes_and_kills_under_load_fail_no_request(runtime, lanes, grace_of_6s, capsys):
    planned = iter(list(enumerate(sequences(SEED), 1)))  # of a list: its next item goes to one thread only
    outcomes: list[str] = []
    threads = [threading.Thread(target=run_lane, args=(lane, planned, outcomes)) for lane in lanes]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    failed = [told for lane in lanes for told in lane.load.failed]
    with capsys.disabled():
        print(f"\nseed {SEED}, {time.monotonic() - began:.0f}s")
        print("\n".join(sorted(outcomes)))
    assert failed == []
    assert len(outcomes) == SEQUENCES
    assert sum(lane.load.sent for lane in lanes) > 1000
