"""The autoscaler of one revision: sums of a second go in, a scale comes out.

Who holds one calls `record` once a second for all replicas together and once more for the activator, `tick` every two
seconds, and `poke` with a `tick` at once when a request meets no replica. Source: knative/serving
pkg/autoscaler/{metrics/collector,scaling/multiscaler}.go.
"""

from __future__ import annotations

from dataclasses import dataclass

from modelyard.autoscaling import annotations as names
from modelyard.autoscaling.decision import DecisionState, decide_scale, start_capacity, start_state
from modelyard.autoscaling.spec import ScalingSpec
from modelyard.autoscaling.windows import Buckets, WeightedBuckets
from modelyard.autoscaling.zero import MESSAGES, NO_TRAFFIC, QUEUED, UNKNOWN, Activity, ScaleState, step


@dataclass(frozen=True)
class Outcome:
    """What a tick says.

    `desired` is how many replicas shall run now. `decided` is what the load asks for before bounds and the way to zero
    (-1: nothing is known yet), `requested` what is wanted after them, which the last replica's grace period may hold
    back (-1 as before). `stable` and `panic` are the averages of the metric over their windows, None without data.
    `active`: enough replicas are ready; else `reason` is upstream's reason (Queued, NoTraffic, TimedOut).
    `activator_wanted`: the activator belongs into the path of all requests, not only of those without a replica.
    """

    desired: int
    excess_burst_capacity: int
    panicking: bool
    stable: float | None
    panic: float | None
    active: bool
    reason: str
    activity: Activity
    decided: int
    requested: int
    activator_wanted: bool

    @property
    def message(self) -> str:
        """Upstream's sentence for `reason`."""
        return MESSAGES[self.reason]


class RevisionScaler:
    """The whole state of one revision's autoscaler. `now` is monotonic seconds everywhere."""

    def __init__(
        self, spec: ScalingSpec, *, ready_at_start: int, now: float, scale_at_start: int | None = None
    ) -> None:
        """Begin, or begin again.

        Args:
            spec: of the revision.
            ready_at_start: replicas that can answer already.
            now: monotonic seconds.
            scale_at_start: what was asked for before the process that held the predecessor ended; 0 means that the
                revision sleeps. None: the revision is new and begins with its initial scale.
        """
        self.spec = spec
        self._decision: DecisionState = start_state(ready_at_start, now)
        self._scale = _start_scale(spec, scale_at_start, ready_at_start, now)
        self._stable, self._panic = _buckets(spec, spec.stable_window_s), _buckets(spec, spec.panic_window_s)
        self._decided = self._requested = UNKNOWN
        self._excess = start_capacity(spec, ready_at_start)
        self._proxied_since: float | None = None
        self._told_early = 0.0
        self._now = now

    def record(
        self,
        now: float,
        *,
        concurrency: float = 0.0,
        proxied_concurrency: float = 0.0,
        rps: float = 0.0,
        proxied_rps: float = 0.0,
    ) -> None:
        """Add the averages of the last second of one reporter: all replicas summed, or the activator.

        What a replica had from the activator is subtracted, because the activator reports it too. Call it with zeros
        while there are replicas and no requests: no call means no data, and without data nothing is decided.
        """
        value, proxied = (rps, proxied_rps) if self.spec.metric == names.RPS else (concurrency, proxied_concurrency)
        if value > 0 and self._told_early:  # the first request at zero was told by `poke` already
            value = max(value - self._told_early, 0.0)
            self._told_early = 0.0
        self._add(now, value - proxied)

    def poke(self, now: float) -> None:
        """A request has met no replica: it counts as one in flight (and one a second) at once. Tick right after it."""
        if not self._told_early:
            self._told_early = 1.0
            self._add(now, 1.0)

    def update(self, spec: ScalingSpec) -> None:
        """Another spec from now on; what was observed is kept as far as the new windows reach."""
        if (spec.metric, spec.algorithm) != (self.spec.metric, self.spec.algorithm):
            self._stable, self._panic = _buckets(spec, spec.stable_window_s), _buckets(spec, spec.panic_window_s)
        self._stable.resize(spec.stable_window_s, self._now)
        self._panic.resize(spec.panic_window_s, self._now)
        self.spec = spec

    def tick(self, now: float, *, ready: int, reachable: bool = True, activator_in_path: bool) -> Outcome:
        """Decide.

        Args:
            now: monotonic seconds.
            ready: replicas that can answer.
            reachable: a route sends requests to the revision.
            activator_in_path: a request that finds no replica goes to the activator. Only then may the last one go.
        """
        self._now = now
        stable, panic = self._averages(now)
        decision = decide_scale(
            self.spec, self._decision, ready=ready, stable=stable, panic=panic, reachable=reachable, now=now
        )
        self._decision = decision.state
        if decision.desired is not None:
            self._decided, self._excess = decision.desired, decision.excess_burst_capacity
        if not activator_in_path:
            self._proxied_since = None
        elif self._proxied_since is None:
            self._proxied_since = now
        proxied_for_s = None if self._proxied_since is None else now - self._proxied_since
        taken = step(
            self.spec,
            self._scale,
            self._decided,
            ready=ready,
            reachable=reachable,
            proxied_for_s=proxied_for_s,
            now=now,
        )
        self._scale = taken.state
        self._requested = self._requested if taken.want == UNKNOWN else taken.want
        return self._outcome(taken.want, panicking=decision.panicking, stable=stable, panic=panic)

    def _add(self, now: float, value: float) -> None:
        self._now = now
        self._stable.record(now, value)
        self._panic.record(now, value)

    def _averages(self, now: float) -> tuple[float | None, float | None]:
        # with an unlimited burst capacity only the activator reports, and its silence means that there is nothing
        if self._stable.is_empty(now) and self.spec.target_burst_capacity != -1:
            return None, None
        return self._stable.average(now), self._panic.average(now)

    def _outcome(self, want: int, *, panicking: bool, stable: float | None, panic: float | None) -> Outcome:
        activity = self._scale.activity
        return Outcome(
            desired=self._scale.scale,
            excess_burst_capacity=self._excess,
            panicking=panicking,
            stable=stable,
            panic=panic,
            active=activity is Activity.ACTIVE,
            reason=self._scale.reason,
            activity=activity,
            decided=self._decided,
            requested=self._requested,
            activator_wanted=want <= 0 or self._excess < 0,
        )


def _buckets(spec: ScalingSpec, window_s: int) -> Buckets:
    return WeightedBuckets(window_s) if spec.algorithm == names.WEIGHTED else Buckets(window_s)


def _start_scale(spec: ScalingSpec, scale_at_start: int | None, ready: int, now: float) -> ScaleState:
    if scale_at_start is None:
        return ScaleState(scale=spec.initial_scale, since=now)
    if scale_at_start == 0:
        return ScaleState(0, Activity.INACTIVE, now, initialized=True, reason=NO_TRAFFIC)
    if ready > 0:
        return ScaleState(scale_at_start, Activity.ACTIVE, now, initialized=True, reason="")
    return ScaleState(scale_at_start, Activity.ACTIVATING, now, initialized=True, reason=QUEUED)
