"""How many replicas each revision shall have: what the autoscaler wants, where a route or a request needs it; pure."""

from __future__ import annotations

from dataclasses import dataclass

from modelyard.autoscaling.revision import Outcome
from modelyard.autoscaling.spec import ScalingSpec
from modelyard.serving.controller.revisions import Revision


@dataclass(frozen=True)
class Need:
    """Why a revision has replicas.

    Attributes:
        reachable: traffic goes or shall go to it, or it is the newest.
        routed: the gateway's routes named it until now; it keeps what it has until they name it no more.
        held: the activator has requests for it that came while it was routed.
    """

    reachable: bool = False
    routed: bool = False
    held: bool = False


def complete_scale(spec: ScalingSpec) -> int:
    """Replicas that must answer before a new revision counts as ready."""
    return max(spec.min_scale, spec.initial_scale)


def decide_replicas(revision: Revision, spec: ScalingSpec, need: Need, *, living: int) -> int:
    """How many replicas a revision shall have now.

    Args:
        revision: what the autoscaler wants stands in its status.
        spec: its bounds.
        need: who needs it.
        living: replicas that it has, without those that were asked to end.

    The autoscaler has kept to the bounds; the least is applied once more, because a revision that is named again after
    a time without traffic has its minimum at once.
    """
    if need.reachable:
        if not revision.ready:
            return max(revision.desired_scale or 0, complete_scale(spec))
        desired = revision.desired_scale
        return max(complete_scale(spec) if desired is None else desired, spec.min_scale)
    return max(living if need.routed else 0, 1 if need.held and revision.ready else 0)


def is_buffered(spec: ScalingSpec, outcome: Outcome | None) -> bool:
    """Whether all requests of a revision go by the activator, because a burst would be more than its replicas take.

    As in Knative while the excess burst capacity is negative, and before it is known; but only where a replica refuses
    what is too much: without `containerConcurrency` the activator has nothing to hold, and costs time.
    """
    return spec.container_concurrency > 0 and (outcome is None or outcome.excess_burst_capacity < 0)


def is_able(revision: Revision, spec: ScalingSpec, *, ready: int, failing: bool, has_traffic: bool) -> bool:
    """Whether requests may be sent to a revision: a replica answers, or the activator may hold them.

    Args:
        revision: it must have been ready once.
        spec: with a minimum of replicas, traffic comes only when there is one.
        ready: replicas that answer.
        failing: its replicas end as soon as they are started.
        has_traffic: it has traffic already; what it lost on the way to a replica, the activator holds.
    """
    if ready:
        return True
    return revision.ready and (has_traffic or (spec.min_scale == 0 and not failing))
