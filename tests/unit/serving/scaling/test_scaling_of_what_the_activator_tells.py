"""The autoscaling loop's bookkeeping of the activator's reports; no replica and no socket is in it."""

import asyncio
import time
from dataclasses import replace

import pytest

from modelyard.autoscaling.spec import ScalingSpec
from modelyard.serving.activator.messages import Report
from modelyard.serving.controller.ledger import Ledger
from modelyard.serving.controller.revisions import Revision
from modelyard.serving.scaling.loop import Followed, Scaling
from modelyard.serving.store import Store

KEY = ("default", "flights-predictor-00001")
SPEC = ScalingSpec(total_target=10, target_utilization=1.0, stable_window_s=6, panic_window_s=1, grace_s=6)
BUSY, IDLE = Report(active=0, queued=40, concurrency=40.0, rps=0.0), Report(0, 0, 0.0, 0.0)


class Loop:
    """The loop with one revision that sleeps; seconds are counted from the moment of its making."""

    def __init__(self, store: Store) -> None:
        self.scaling = Scaling(Ledger(store), lambda: None)
        revision = Revision(*KEY, "flights", {"predictor": {}}, ready=True, status={"desiredScale": 0})
        self.scaling.follow([Followed(revision, SPEC, (), reachable=True)])
        self.began = time.monotonic()

    def hear(self, report: Report) -> None:
        self.scaling.report({KEY: report})

    def second(self, number: int):
        """Record and decide as when that second is due."""
        asyncio.run(self.scaling.record(self.began + number))
        self.scaling.decide(self.began + number)
        return self.scaling.outcomes[KEY]


@pytest.fixture
def loop(tmp_path):
    store = Store(tmp_path / "store.sqlite")
    yield Loop(store)
    store.close()


def test_each_second_has_the_activators_last_word_once_however_late_it_comes(loop):
    loop.hear(BUSY)
    assert [loop.second(number).panic for number in (0, 1)] == [40.0, 40.0]
    for _ in range(2):  # two within one second are the newest, not their sum
        loop.hear(BUSY)
    assert loop.second(2).panic == 40.0


def test_the_activators_zero_ends_what_it_told_and_is_counted_as_a_second_without_load(loop):
    loop.hear(BUSY)
    assert loop.second(0).decided == 4
    loop.hear(IDLE)
    told = loop.second(1)
    assert (told.panic, told.stable) == (0.0, 20.0)
    assert loop.second(3).stable == 20.0  # two seconds are known, and no third one was told


def test_an_activator_that_has_died_is_not_believed_for_ever(loop):
    loop.hear(BUSY)
    assert loop.second(0).stable == 40.0
    assert loop.second(20).stable is None


def test_what_the_activator_holds_scales_a_sleeping_revision_to_its_load(loop):
    loop.hear(replace(BUSY, concurrency=95.0))
    assert loop.second(0).desired == 10
