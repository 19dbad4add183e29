"""The activator's queue of one revision, with time as an argument."""

import asyncio
import random
from collections import Counter
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.serving.activator.messages import Report, TableEntry
from modelyard.serving.activator.queue import (
    ALONE_S,
    AT_ONCE,
    GONE_AFTER_S,
    SUSPECT_S,
    Place,
    QueueFull,
    Replica,
    RevisionGone,
    RevisionQueue,
    pick_replica,
)

KEY = ("default", "m-predictor-00001")


@pytest.fixture
def loop():
    held = asyncio.new_event_loop()
    yield held
    held.close()


@pytest.fixture
def pokes():
    return []


@pytest.fixture
def queue(pokes):
    return RevisionQueue(KEY, pokes.append, now=0.0, limit=5)


def told(*ports, cc=0):
    return TableEntry(*KEY, ports, cc)


def arrive(queue, loop, now=0.0, *, again=False):
    """A request that waits for its place."""
    queue.enter(now)
    place = Place(loop.create_future(), again=again)
    queue.wait(place, now)
    return place


def port_of(place):
    return place.replica.result().port if place.replica.done() else None


def test_who_waits_gets_a_replica_in_the_order_of_coming(queue, loop):
    first, second, third = (arrive(queue, loop) for _ in range(3))
    queue.tell(told(1, cc=1), 1.0)
    assert [port_of(place) for place in (first, second, third)] == [1, None, None]
    queue.tell(told(1, 2, cc=1), 1.0)
    assert port_of(second) == 2
    queue.release(first, 2.0, answered=True)
    assert port_of(third) == 1


def test_the_first_request_pokes_and_the_next_ones_do_not(queue, loop, pokes):
    first = arrive(queue, loop)
    arrive(queue, loop)
    assert pokes == [KEY]
    queue.tell(told(1), 1.0)
    queue.tell(told(), 2.0)  # both are still being answered: whoever asks next needs a new replica
    assert pokes == [KEY, KEY]
    for _ in range(2):
        queue.leave(3.0)
    queue.release(first, 3.0)
    arrive(queue, loop, 4.0)
    assert pokes == [KEY] * 3


def test_a_request_that_finds_a_replica_pokes_nobody(queue, loop, pokes):
    queue.tell(told(1), 0.0)
    assert port_of(arrive(queue, loop)) == 1
    assert pokes == []


def test_one_more_than_may_be_is_refused_and_one_that_leaves_makes_room(queue, loop):
    for _ in range(5):
        arrive(queue, loop)
    with pytest.raises(QueueFull):
        queue.enter(0.0)
    queue.leave(0.0)
    queue.enter(0.0)


def test_a_place_that_is_given_up_is_passed_over_or_given_back(queue, loop):
    gone, waiting = arrive(queue, loop), arrive(queue, loop)
    gone.replica.cancel()
    queue.give_up(gone, 1.0)
    queue.tell(told(1, cc=1), 1.0)
    assert port_of(waiting) == 1
    late = arrive(queue, loop, 2.0)
    queue.give_up(waiting, 2.0)  # it had got its replica in the same moment in which its client left
    assert port_of(late) == 1


def test_a_replica_that_broke_off_is_left_alone_and_then_gets_one_request_until_it_answers(queue, loop):
    queue.tell(told(1), 0.0)
    place = arrive(queue, loop)
    place.replica.result().suspect(0.0)
    queue.release(place, 0.0)
    waiting = [arrive(queue, loop) for _ in range(3)]
    queue.dispatch(SUSPECT_S - 0.01)
    assert [port_of(one) for one in waiting] == [None] * 3
    queue.dispatch(SUSPECT_S)
    assert [port_of(one) for one in waiting] == [1, None, None]
    queue.release(waiting[0], 1.0, answered=True)
    assert [port_of(one) for one in waiting] == [1, 1, 1]


def test_requests_that_broke_a_replica_go_one_by_one_and_before_the_others_which_do_not_wait_for_them(queue, loop):
    queue.tell(told(1, 2), 0.0)
    broke = [arrive(queue, loop, again=True) for _ in range(3)]
    other = arrive(queue, loop)
    assert {port_of(broke[0]), port_of(broke[1])} == {1, 2}
    assert port_of(broke[2]) is None
    assert port_of(other) is not None
    queue.release(broke[0], 1.0)
    assert port_of(broke[2]) == port_of(broke[0])


def test_they_are_kept_apart_for_seconds_only_and_those_before_there_was_a_replica_do_not_count(queue, loop):
    broke = [arrive(queue, loop, again=True) for _ in range(2)]
    queue.tell(told(1), 60.0)
    queue.dispatch(60.0 + ALONE_S - 0.1)
    assert [port_of(place) for place in broke] == [1, None]
    queue.dispatch(60.0 + ALONE_S)
    assert [port_of(place) for place in broke] == [1, 1]


def test_what_is_waited_for_is_told_in_words(queue, loop):
    assert queue.wanting() == "a ready replica"
    queue.tell(told(1, cc=2), 0.0)
    assert queue.wanting() == "a replica with less than 2 requests (containerConcurrency)"
    arrive(queue, loop).replica.result().suspect(0.0)
    assert queue.wanting() == "a replica that takes connections"


def test_a_revision_that_one_table_left_out_is_back_in_time_or_gone(queue, loop):
    place = arrive(queue, loop)
    queue.lose(1.0)
    queue.lose(2.0)
    assert not queue.is_gone(1.0 + GONE_AFTER_S - 0.1)
    assert queue.is_gone(1.0 + GONE_AFTER_S)
    queue.tell(told(), 3.0)
    assert not queue.is_gone(100.0)
    queue.end(RevisionGone)
    assert isinstance(place.replica.exception(), RevisionGone)


def test_a_new_process_on_an_old_port_does_not_inherit_the_old_ones_requests(queue, loop):
    queue.tell(told(1, cc=1), 0.0)
    old = arrive(queue, loop)
    queue.tell(told(), 1.0)
    queue.tell(told(1, cc=1), 2.0)
    new = arrive(queue, loop, 2.0)
    queue.release(old, 3.0, answered=True)
    assert new.replica.result().in_flight == 1
    assert port_of(arrive(queue, loop, 3.0)) is None


def test_a_report_is_the_average_over_time_of_what_is_held_and_forwarded(queue, loop):
    queue.tell(told(1, cc=1), 10.0)
    queue.report(10.0)
    arrive(queue, loop, 10.0)
    arrive(queue, loop, 10.5)
    assert queue.report(11.0) == Report(active=1, queued=1, concurrency=1.5, rps=2.0)
    queue.leave(11.25)
    assert queue.report(12.0).concurrency == pytest.approx(1.25)


def test_the_first_requests_after_a_pause_are_not_averaged_over_the_pause(queue):
    for second in range(100):
        assert queue.report(float(second)) is None
    queue.enter(99.5)
    assert queue.report(100.0) == Report(active=1, queued=0, concurrency=0.5, rps=1.0)


def test_after_the_last_request_there_is_one_report_of_nothing_and_then_silence(queue, loop):
    queue.enter(0.0)
    queue.leave(0.5)
    assert queue.report(1.0).concurrency == 0.5
    assert not queue.is_idle
    assert queue.report(2.0) == Report(0, 0, 0.0, 0.0)
    assert queue.is_idle


def picked(loads, cc, *, turns=60, seed=1):
    """How often each replica is chosen, with loads as they are."""
    replicas = [Replica(number, load) for number, load in enumerate(loads)]
    draw = random.Random(seed)
    chosen = [pick_replica(replicas, cc, turn=turn, now=0.0, draw=draw) for turn in range(turns)]
    return Counter(replica.port for replica in chosen if replica)


def test_few_at_a_time_fill_one_replica_after_the_other():
    assert picked([2, 1, 0], 3) == {0: 60}
    assert picked([3, 1, 0], 3) == {1: 60}


def test_many_at_a_time_go_round():
    assert picked([0, 0, 0], 10) == {0: 20, 1: 20, 2: 20}


def test_without_a_limit_the_less_busy_of_two_is_chosen_by_chance():
    chosen = picked([5, 0, 0, 9], 0, turns=600)
    assert set(chosen) == {0, 1, 2}  # the busiest of all is never the less busy of two
    assert min(chosen[1], chosen[2]) > chosen[0]


def test_no_replica_has_room():
    assert picked([1, 1], 1) == {}
    assert picked([AT_ONCE, AT_ONCE - 1], 0) == {1: 60}


@given(
    cc=st.integers(0, 6),
    steps=st.lists(st.tuples(st.sampled_from(["come", "end", "break", "leave"]), st.integers(0, 50)), max_size=60),
    ports=st.integers(1, 4),
)
def test_whatever_happens_no_replica_has_more_than_it_takes_and_nobody_waits_beside_a_free_one(cc, steps, ports):
    with closing(asyncio.new_event_loop()) as loop:
        follow(steps, loop, cc, ports)


def follow(steps, loop, cc, ports):
    queue = RevisionQueue(KEY, lambda key: None, now=0.0, limit=1000)
    queue.tell(told(*range(ports), cc=cc), 0.0)
    places = []
    for number, (step, which) in enumerate(steps):
        now = float(number)
        having = [place for place in places if place.replica.done()]
        if step == "come":
            places.append(arrive(queue, loop, now, again=which % 3 == 0))
        elif step == "leave" and places:
            place = places.pop(which % len(places))
            queue.give_up(place, now)
            queue.leave(now)
        elif having and step in ("end", "break"):
            place = having[which % len(having)]
            places.remove(place)
            if step == "break":
                place.replica.result().suspect(now)
            queue.release(place, now, answered=step == "end")
            queue.leave(now)
        queue.dispatch(now)  # as the activator's timer does
        in_flight = Counter(port_of(place) for place in places if place.replica.done())
        assert {
            replica.port: replica.in_flight for replica in queue.replicas.values() if replica.in_flight
        } == in_flight
        assert all(cc == 0 or count <= cc for count in in_flight.values())
        assert queue.queued == sum(not place.replica.done() for place in places)
        assert not queue.waiting or not any(r.has_room(cc, now) for r in queue.replicas.values())
