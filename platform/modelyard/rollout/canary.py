"""A canary from start to verdict: apply it, let traffic flow, judge what it answered, promote or roll back.

Promotion and roll-back are the two patches that KServe knows: `canaryTrafficPercent` removed, or 0. Nothing else of the
InferenceService is touched, so that the revision which was judged is the one that stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelyard.errors import CanaryRefused, WaitTimeout
from modelyard.kube import describe_conditions, traffic
from modelyard.rollout.judge import Action, JudgeRules, Pair, Verdict, judge_canary
from modelyard.waiting import wait_until

if TYPE_CHECKING:
    from modelyard.codec import Prediction
    from modelyard.kube import InferenceServices
    from modelyard.monitor.client import Monitor

Held = dict[str, Any]
Scorer = Callable[[Sequence[Held]], Sequence["Prediction"]]
"""Answers rows of features as the stable version would."""
VERSION = "modelyard.dev/model-version"


@dataclass(frozen=True)
class Canary:
    """A canary that has traffic: its revision and the one that it is compared with, and the model version of each."""

    name: str
    percent: int
    revision: str
    version: str
    stable_revision: str
    stable_version: str


def start_canary(
    services: InferenceServices, manifest: Held, *, stable_version: str, deadline_s: float = 120.0
) -> Canary:
    """Apply a manifest that has `canaryTrafficPercent`, and wait until both revisions have their share.

    Args:
        services: where the InferenceService is.
        manifest: of the candidate.
        stable_version: the model version that has all of the traffic. The InferenceService cannot tell it: after a
            roll-back its annotations are those of the refused candidate.
        deadline_s: seconds until the candidate must be ready.

    Raises:
        DeployFailed: there is nothing to compare with, or the candidate did not get ready; it is rolled back then.
    """
    name = manifest["metadata"]["name"]
    percent = int(manifest["spec"]["predictor"]["canaryTrafficPercent"])
    stable_revision = _revision_with_everything(services, name)
    applied = services.apply(manifest)
    try:
        held = services.wait_ready(name, generation=applied["metadata"]["generation"], deadline_s=deadline_s)
    except WaitTimeout as error:
        roll_back(services, name, deadline_s=deadline_s)
        raise CanaryRefused(
            f"the canary of {name} did not get ready and was rolled back", detail=error.detail
        ) from error
    latest = next((part for part in traffic(held) if part.get("latestRevision")), None)
    if latest is None or latest["percent"] != percent or latest["revisionName"] == stable_revision:
        raise CanaryRefused(
            f"InferenceService {name} has no canary at {percent} %: {describe_traffic(held)}",
            detail=describe_conditions(held),
        )
    return Canary(
        name=name,
        percent=percent,
        revision=latest["revisionName"],
        version=manifest["metadata"]["annotations"][VERSION],
        stable_revision=stable_revision,
        stable_version=stable_version,
    )


def _revision_with_everything(services: InferenceServices, name: str) -> str:
    """The revision beside which a canary can run."""
    held = services.get(name)
    if held is None:
        raise CanaryRefused(
            f"InferenceService {name} does not exist: a canary needs a version beside which it runs",
            next_command="./invoke promote --why 'The first version'",
        )
    found = next((revision for revision, percent in shares_of(held).items() if percent == 100), None)
    if found is None:
        raise CanaryRefused(
            f"InferenceService {name} already splits its traffic: {describe_traffic(held)}",
            allowed="one canary at a time",
            next_command="./invoke canary --roll-back",
        )
    return found


def judge_logged(rows: Iterable[Held], score_stable: Scorer, rules: JudgeRules | None = None) -> Verdict:
    """Judge the canary by its logged rows (those with a truth), each scored again by the stable version."""
    known = [row for row in rows if row["truth"] is not None]
    answers = score_stable([row["features"] for row in known]) if known else []
    pairs = [
        Pair(row["truth"], stable, {"class": row["class"], "probabilities": row["probabilities"]})
        for row, stable in zip(known, answers, strict=True)
    ]
    return judge_canary(pairs, rules)


def rows_of(monitor: Monitor, version: str, label: str, after: int = 0) -> list[Held]:
    """Logged rows of a version whose Ce-Id begins with `label`: those of one replay, whatever came before.

    `after` is a sequence number that is known to lie before them; it only saves reading.
    """
    return [row for row in monitor.rows(version, after) if str(row["id"]).startswith(label)]


def act(services: InferenceServices, name: str, verdict: Verdict, *, deadline_s: float = 120.0) -> Held:
    """Do what the verdict says; a canary on which there is no verdict does not stay either."""
    change = promote if verdict.action is Action.PROMOTE else roll_back
    return change(services, name, deadline_s=deadline_s)


def promote(services: InferenceServices, name: str, *, deadline_s: float = 120.0) -> Held:
    """All traffic to the canary's revision: remove `canaryTrafficPercent`, and nothing else."""
    patched = services.patch(name, {"spec": {"predictor": {"canaryTrafficPercent": None}}})
    return services.wait_ready(name, generation=patched["metadata"]["generation"], deadline_s=deadline_s)


def roll_back(services: InferenceServices, name: str, *, deadline_s: float = 120.0) -> Held:
    """All traffic back to the stable revision.

    What is waited for is the traffic, not the condition Ready: that one stays False while the newest revision is one
    that never started.
    """
    patched = services.patch(name, {"spec": {"predictor": {"canaryTrafficPercent": 0}}})
    generation = patched["metadata"]["generation"]

    def settled() -> Held | None:
        held = services.get(name)
        fresh = held is not None and held.get("status", {}).get("observedGeneration", 0) >= generation
        return held if held and fresh and 100 in shares_of(held).values() else None

    return wait_until(
        settled,
        what=f"all traffic of {name} to be on one revision",
        deadline_s=deadline_s,
        next_command=f"kubectl describe inferenceservice {name}",
        last_answer=lambda: describe_traffic(services.get(name) or {}),
    )


def shares_of(held: Held) -> dict[str, int]:
    """Percent of the traffic by revision, of those that get any."""
    return {part["revisionName"]: part["percent"] for part in traffic(held) if part.get("percent")}


def describe_traffic(held: Held) -> str:
    """The traffic table in one line, as a person reads it."""
    return ", ".join(f"{revision} {percent} %" for revision, percent in shares_of(held).items()) or "no traffic"
