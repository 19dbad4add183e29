"""Integrals of requests in flight, places of the breaker, turns and deadlines; time is told or the loop's own."""

import asyncio
import random

import pytest

from modelyard.serving.queue_proxy.counts import QUEUE_PER_SLOT, Breaker, Deadlines, InFlight, Turns


def test_the_average_between_two_readings_is_the_time_that_requests_spent_there():
    held = InFlight(100.0)
    held.begin(100.5)
    held.begin(101.0)
    first = held.read(101.0, queued=0)
    held.end(101.25)
    held.end(102.0)
    second = held.read(103.0, queued=0)
    assert first["concurrency_s"] == 0.5
    # Two requests for 0.25 s and one for 0.75 s, in two seconds.
    assert (second["concurrency_s"] - first["concurrency_s"]) / (103.0 - 101.0) == 1.25 / 2
    assert (second["requests"], second["active"]) == (2, 0)


def test_a_request_that_waited_unseen_counts_from_its_arrival():
    held = InFlight(0.0)
    held.begin(2.0, late_s=1.5)
    held.end(3.0)
    assert held.read(4.0, queued=0)["concurrency_s"] == 2.5


def test_what_the_activator_sent_counts_in_all_and_by_itself():
    held = InFlight(0.0)
    held.begin(0.0, proxied=True)
    held.begin(0.0)
    held.end(2.0, proxied=True)
    told = held.read(3.0, queued=0)
    assert (told["concurrency_s"], told["proxied_concurrency_s"]) == (5.0, 2.0)
    assert (told["requests"], told["proxied_requests"]) == (2, 1)


def test_random_requests_sum_to_the_time_that_they_took():
    drawn = random.Random(7)
    spans = [sorted(drawn.uniform(0, 100) for _ in range(2)) for _ in range(500)]
    held, events = InFlight(0.0), []
    for begin, end in spans:
        events += [(begin, True), (end, False)]
    for now, begins in sorted(events):
        (held.begin if begins else held.end)(now)
    assert held.read(100.0, queued=0)["concurrency_s"] == pytest.approx(sum(end - begin for begin, end in spans))


def test_the_breaker_lets_so_many_work_ten_times_as_many_wait_and_no_more():
    async def run():
        breaker = Breaker(2)
        assert [await breaker.enter() for _ in range(2)] == [True, True]
        waiting = [asyncio.create_task(breaker.enter()) for _ in range(2 * QUEUE_PER_SLOT)]
        await asyncio.sleep(0)
        assert (breaker.active, breaker.queued) == (2, 20)
        assert not await breaker.enter()
        breaker.leave()
        assert await waiting[0], "first come, first served"
        assert not waiting[1].done()
        waiting[1].cancel()
        await asyncio.gather(waiting[1], return_exceptions=True)
        for _ in range(20):
            breaker.leave()
            await asyncio.sleep(0)
        assert (breaker.active, breaker.queued) == (0, 0)

    asyncio.run(run())


def test_one_who_leaves_while_a_place_comes_gives_it_to_the_next():
    async def run():
        breaker = Breaker(1)
        assert await breaker.enter()
        leaving, staying = (asyncio.create_task(breaker.enter()) for _ in range(2))
        await asyncio.sleep(0)
        breaker.leave()
        leaving.cancel()
        assert await asyncio.wait_for(staying, 5)
        assert (breaker.active, breaker.queued) == (1, 0)

    asyncio.run(run())


def test_between_two_predictions_that_fill_a_slice_the_loop_looks_at_its_sockets():
    async def run():
        turns, order = Turns(), []
        loop = asyncio.get_running_loop()

        async def predict(number):
            await turns.take(10.0, 9.0)  # seen a second ago: the slice is over
            order.append(number)
            loop.call_soon(order.append, "look")

        await asyncio.gather(*(predict(number) for number in range(3)))
        await asyncio.sleep(0)
        return order

    assert asyncio.run(run()) == [0, "look", 1, "look", 2, "look"]


def test_a_request_that_was_just_seen_goes_on_at_once():
    with pytest.raises(StopIteration):  # the coroutine ends without having waited
        Turns().take(10.0, 10.0).send(None)


def test_nobody_has_a_turn_while_a_prediction_is_under_way_beside_the_loop():
    async def run():
        turns = Turns()
        turns.hold()
        waiting = asyncio.create_task(turns.take(10.0, 10.0))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waiting.done()
        turns.release()
        await asyncio.wait_for(waiting, 5)

    asyncio.run(run())


def test_what_is_overdue_is_cancelled_and_the_rest_goes_on():
    async def run():
        deadlines, ends = Deadlines(0.05), []

        async def request(number, *, quick):
            task = asyncio.current_task()
            deadlines.begin(task, asyncio.get_running_loop().time())
            try:
                await asyncio.sleep(0 if quick else 60)
                ends.append((number, "answered"))
            except asyncio.CancelledError:
                ends.append((number, "overdue" if deadlines.is_overdue(task) else "cancelled"))
            finally:
                deadlines.end(task)
            await asyncio.sleep(0)  # would raise where the task were still cancelled

        await asyncio.wait_for(
            asyncio.gather(request(1, quick=False), request(2, quick=True), request(3, quick=False)), 5
        )
        stopped = asyncio.create_task(request(4, quick=False))
        await asyncio.sleep(0)
        stopped.cancel()
        await asyncio.gather(stopped, return_exceptions=True)
        return ends

    assert asyncio.run(run()) == [(2, "answered"), (1, "overdue"), (3, "overdue"), (4, "cancelled")]
