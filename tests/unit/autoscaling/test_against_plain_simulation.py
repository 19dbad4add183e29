"""RevisionScaler against the plain simulation beside it, over thousands of random histories of one revision.

All values are multiples of a quarter and all times of half a second, so that sums are exact in any order.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.autoscaling.revision import RevisionScaler
from modelyard.autoscaling.spec import ScalingSpec
from tests.unit.autoscaling.plain_simulation import PlainAutoscaler

START = 40_000.0

SPECS = st.builds(
    ScalingSpec,
    total_target=st.sampled_from([1.0, 4.0, 16.0, 100.0]),
    target_utilization=st.sampled_from([0.25, 0.5, 1.0]),
    min_scale=st.integers(0, 3),
    max_scale=st.sampled_from([0, 0, 2, 5]),
    initial_scale=st.integers(0, 4),
    activation_scale=st.sampled_from([0, 0, 2, 4]),
    stable_window_s=st.sampled_from([6, 7, 12]),
    panic_window_s=st.sampled_from([1, 2, 3, 6]),
    panic_threshold=st.sampled_from([1.1, 2.0, 10.0]),
    max_up=st.sampled_from([1.5, 10.0, 1000.0]),
    max_down=st.sampled_from([1.5, 2.0, 10.0]),
    target_burst_capacity=st.sampled_from([-1.0, 0.0, 20.0]),
    grace_s=st.sampled_from([6.0, 15.0]),
    retention_s=st.sampled_from([0.0, 9.0, 25.0]),
    scale_down_delay_s=st.sampled_from([0.0, 0.0, 5.0, 20.0]),
    progress_deadline_s=st.sampled_from([1.0, 600.0]),
    enable_scale_to_zero=st.sampled_from([True, True, False]),
)
LOADS = st.one_of(st.just(0.0), st.integers(0, 160).map(lambda quarters: quarters / 4))
WORLDS = st.tuples(
    st.integers(0, 6),  # ready
    st.sampled_from([True, True, True, False]),  # reachable
    st.sampled_from([True, True, True, False]),  # the activator is in the path
)
RECORDS = st.tuples(st.just("record"), LOADS, st.sampled_from([0.0, 0.0, 0.25, 1.5]))
TICKS = st.tuples(st.just("tick"), WORLDS)
# as the control plane does it: a record each second and a tick each other one, for so many seconds
RUNS = st.tuples(st.just("run"), st.integers(1, 40), LOADS, WORLDS)
# how long to wait before each: mostly fractions of a tick, at times a gap as long as the windows
WAITS = st.sampled_from([0, 1, 1, 2, 2, 2, 3, 4, 4, 5, 13, 14, 15, 40]).map(lambda halves: halves / 2)
HISTORIES = st.lists(st.tuples(WAITS, st.one_of(RECORDS, TICKS, TICKS, RUNS)), max_size=30)
STARTS = st.one_of(st.none(), st.integers(0, 4))


def plain(spec: ScalingSpec, ready: int, scale_at_start: int | None) -> PlainAutoscaler:
    if scale_at_start is None:
        return PlainAutoscaler(spec, ready, START, spec.initial_scale, "activating", False, activity_since=START)
    activity = "inactive" if scale_at_start == 0 else "active" if ready else "activating"
    return PlainAutoscaler(spec, ready, START, scale_at_start, activity, True, activity_since=START)


class Both:
    """The two beside each other; every tick must come to the same in both."""

    def __init__(self, spec: ScalingSpec, ready: int, scale_at_start: int | None) -> None:
        self.scaler = RevisionScaler(spec, ready_at_start=ready, now=START, scale_at_start=scale_at_start)
        self.plain = plain(spec, ready, scale_at_start)

    def record(self, now: float, load: float, proxied: float) -> None:
        self.scaler.record(now, concurrency=load + proxied, proxied_concurrency=proxied)
        self.plain.record(now, load)

    def tick(self, now: float, world: tuple[int, bool, bool]) -> None:
        ready, reachable, in_path = world
        outcome = self.scaler.tick(now, ready=ready, reachable=reachable, activator_in_path=in_path)
        told = self.plain.tick(now, ready, reachable, in_path)
        assert {
            "desired": outcome.desired,
            "decided": outcome.decided,
            "activity": str(outcome.activity),
            "panicking": outcome.panicking,
        } == told

    def run(self, now: float, seconds: int, load: float, world: tuple[int, bool, bool]) -> float:
        for second in range(seconds):
            self.record(now + second, load, 0.0)
            if second % 2 == 1:
                self.tick(now + second, world)
        return now + seconds - 1


@settings(max_examples=1000, deadline=None)
@given(SPECS, st.integers(0, 4), STARTS, HISTORIES)
def test_every_history_ends_as_in_the_plain_simulation(spec, ready_at_start, scale_at_start, history):
    both = Both(spec, ready_at_start, scale_at_start)
    now = START
    for wait_s, (what, *values) in history:
        now += wait_s
        if what == "run":
            now = both.run(now, *values)
        else:
            getattr(both, what)(now, *values)


def test_the_histories_reach_what_is_to_be_compared():
    """A surge, a fall, sleep and waking: the property says something only if such things happen in both."""
    spec = ScalingSpec(total_target=4, target_utilization=0.5, stable_window_s=6, panic_window_s=1, grace_s=6)
    scaler, other = RevisionScaler(spec, ready_at_start=1, now=START), plain(spec, 1, None)
    seen = set()
    for second in range(60):
        now = START + second
        load = 40.0 if 10 <= second < 14 else 2.0 if second < 20 else 0.0
        scaler.record(now, concurrency=load)
        other.record(now, load)
        if second % 2 == 0:
            outcome = scaler.tick(now, ready=1, activator_in_path=True)
            told = other.tick(now, 1, True, True)
            assert (outcome.desired, outcome.panicking) == (told["desired"], told["panicking"])
            seen.add((told["activity"], told["panicking"], told["desired"] > 5, told["desired"] == 0))
    assert {("active", True, True, False), ("active", False, False, False), ("inactive", False, False, True)} <= seen
