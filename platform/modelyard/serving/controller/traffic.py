"""Which revision gets which part of the requests: canary, promotion and roll-back as KServe and Knative decide them.

Source: kserve v0.20, pkg/controller/v1beta1/inferenceservice/reconcilers/knative/ksvc_reconciler.go (traffic targets)
and pkg/apis/serving/v1beta1/inference_service_status.go (PropagateStatus: rolled-out revisions).
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, replace

PREVIOUS = "prev"
LATEST = "latest"


@dataclass(frozen=True)
class Target:
    """One entry of `status.components.predictor.traffic`."""

    revision: str
    percent: int
    latest: bool
    tag: str = ""


@dataclass(frozen=True)
class Rollout:
    """What the status remembers of the roll-out; empty names where there is none yet.

    `traffic` is what the gateway was last told, which is what serves now.
    """

    rolled_out: str = ""
    previous: str = ""
    traffic: tuple[Target, ...] = ()


@dataclass(frozen=True)
class Decision:
    """`wanted` is where the traffic shall go, `rollout` what holds now; `shifted`: both are the same and can answer."""

    wanted: tuple[Target, ...]
    rollout: Rollout
    shifted: bool


def decide_traffic(
    rollout: Rollout,
    *,
    canary_percent: int | None,
    latest_created: str,
    latest_ready: str,
    serving: Set[str],
    tag_latest: bool = False,
) -> Decision:
    """Where the requests go next.

    Args:
        rollout: what holds now.
        canary_percent: `spec.predictor.canaryTrafficPercent`, None where it is absent.
        latest_created: newest revision.
        latest_ready: newest revision that has become ready; empty where none has.
        serving: revisions with at least one ready replica.
        tag_latest: annotation serving.kserve.io/enable-tag-routing.

    Traffic moves only when every revision that is to have a part can answer; until then it stays where it is.
    """
    if not latest_ready:
        return Decision((), rollout, shifted=False)
    rollout = roll_back(rollout, canary_percent, latest_created, latest_ready)
    wanted = traffic_targets(rollout.rolled_out, canary_percent, latest_ready, tag_latest=tag_latest)
    if _must_hold(rollout, latest_created, latest_ready):
        return Decision(wanted, rollout, shifted=False)
    able = all(target.revision in serving for target in wanted if target.percent > 0)
    if wanted != rollout.traffic and not able:
        return Decision(wanted, rollout, shifted=False)
    return Decision(wanted, roll_out(replace(rollout, traffic=wanted), latest_ready), shifted=able)


def traffic_targets(
    rolled_out: str, canary_percent: int | None, latest_ready: str, *, tag_latest: bool = False
) -> tuple[Target, ...]:
    """Traffic as KServe asks Knative for it; a canary percentage counts only after a first roll-out."""
    if canary_percent is None or not rolled_out:
        return (Target(latest_ready, 100, latest=True),)
    canary = Target(latest_ready, canary_percent, latest=True, tag=LATEST if tag_latest else "")
    if canary_percent >= 100:
        return (replace(canary, percent=100),)
    return (canary, Target(rolled_out, 100 - canary_percent, latest=False, tag=PREVIOUS))


def roll_back(rollout: Rollout, canary_percent: int | None, latest_created: str, latest_ready: str) -> Rollout:
    """A canary percentage below 100 on a revision that is fully rolled out brings back the one before it."""
    settled = rollout.rolled_out == latest_ready == latest_created
    if canary_percent is None or canary_percent >= 100 or not settled or not rollout.previous:
        return rollout
    return replace(rollout, rolled_out=rollout.previous)


def roll_out(rollout: Rollout, latest_ready: str) -> Rollout:
    """All requests on the latest revision: it is rolled out, and the one before is remembered."""
    everything = any(t.latest and t.percent == 100 and t.revision == latest_ready for t in rollout.traffic)
    if not everything or rollout.rolled_out == latest_ready:
        return rollout
    return replace(rollout, previous=rollout.rolled_out, rolled_out=latest_ready)


def _must_hold(rollout: Rollout, latest_created: str, latest_ready: str) -> bool:
    """Whether a newer revision is still to come while the latest ready one is not the rolled-out one.

    Upstream moves the percentage on to whatever is the latest ready revision; after a roll-back that is the bad
    candidate, which would get the new candidate's share until that one is ready. Here the traffic stays as it is.
    """
    return bool(rollout.traffic) and latest_ready not in (latest_created, rollout.rolled_out)
