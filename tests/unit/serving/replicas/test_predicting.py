"""Where a model predicts: in a thread until it is known to be fast, never two predictions at a time."""

import asyncio
import threading
import time

import pytest

from modelyard.serving.queue_proxy.counts import Turns
from modelyard.serving.replicas.predicting import FAST_S, SLOW_S, Predicting, decide_slow


@pytest.mark.parametrize(
    ("usual_s", "slow", "expected"),
    [
        (SLOW_S * 2, False, True),
        ((FAST_S + SLOW_S) / 2, False, False),
        ((FAST_S + SLOW_S) / 2, True, True),
        (FAST_S / 2, True, False),
    ],
)
def test_a_model_changes_its_place_only_when_it_is_clearly_fast_or_slow(usual_s, slow, expected):
    assert decide_slow(usual_s, slow=slow) is expected


def test_a_fast_model_comes_to_the_loop_and_a_slow_one_goes_back_to_the_thread():
    places, pause_s = [], 0.0

    def predict(_):
        places.append("loop" if threading.current_thread() is threading.main_thread() else "thread")
        time.sleep(pause_s)

    async def run():
        nonlocal pause_s
        predicting = Predicting(predict, Turns())
        for _ in range(20):
            await predicting.predict({})
        assert places[0] == "thread"
        assert places[-1] == "loop"
        pause_s = 0.05
        await predicting.predict({})
        await predicting.predict({})
        assert places[-1] == "thread"

    asyncio.run(run())


def test_two_predictions_never_overlap_and_the_loop_goes_on_meanwhile():
    inside, most = 0, 0

    def predict(number):
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.005)
        inside -= 1
        return number

    async def run():
        turns = Turns()
        predicting = Predicting(predict, turns)
        asked = asyncio.gather(*(predicting.predict(number) for number in range(10)))
        looked = 0
        while not asked.done():
            await asyncio.sleep(0.001)
            looked += 1
        assert await asked == list(range(10))
        assert turns.busy == 0
        return looked

    assert asyncio.run(run()) >= 10
    assert most == 1


@pytest.mark.parametrize(
    ("raised", "expected", "told"),
    [
        (ValueError("bad row"), ValueError, "bad row"),
        (StopIteration(), RuntimeError, "StopIteration"),
        (SystemExit(3), RuntimeError, "SystemExit: 3"),
    ],
)
def test_what_the_model_raises_arrives_and_the_next_request_is_answered(raised, expected, told):
    def predict(bad):
        if bad:
            raise raised
        return "answer"

    async def run():
        predicting = Predicting(predict, Turns())
        with pytest.raises(expected, match=told):
            await predicting.predict(True)
        assert await predicting.predict(False) == "answer"

    asyncio.run(run())


def test_a_request_that_was_given_up_is_not_predicted():
    begun, go_on = [], threading.Event()

    def predict(number):
        begun.append(number)
        go_on.wait(5)

    async def run():
        predicting = Predicting(predict, Turns())
        first, given_up, last = (asyncio.create_task(predicting.predict(number)) for number in range(3))
        await asyncio.sleep(0)
        given_up.cancel()
        go_on.set()
        await asyncio.wait_for(asyncio.gather(first, last), 5)

    asyncio.run(run())
    assert begun == [0, 2]
