"""The status of an InferenceService as KServe writes it, from what is decided and observed; pure.

Shapes, conditions, reasons and their order as recorded from KServe 0.20 on Knative 1.23.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from modelyard.serving.controller.revisions import Revision
from modelyard.serving.controller.traffic import Decision, Rollout, Target
from modelyard.serving.store import timestamp

Object = dict[str, Any]

MAIN_CONDITIONS = frozenset({"IngressReady", "PredictorReady", "Ready"})
"""Conditions that make up Ready; the others have severity Info."""
UNSCHEDULABLE = "Unschedulable"
"""Of a revision whose replicas find no room; Kubernetes' word in a pod's condition PodScheduled."""


@dataclass(frozen=True)
class Problem:
    """Why the newest revision does not become ready."""

    reason: str
    message: str
    exit_code: int | None = None
    time: float = 0.0


@dataclass(frozen=True)
class Observed:
    """All that a status is made of.

    Attributes:
        latest_created: newest revision.
        latest_ready: newest revision that has become ready; empty where none has.
        latest_is_ready: the newest revision has all its replicas now.
        problem: what keeps the newest revision from it, if anything does.
        decision: the traffic.
        applied: the gateway has taken that traffic.
        ready_copies: replicas of the newest revision that answer.
    """

    latest_created: str
    latest_ready: str
    latest_is_ready: bool
    problem: Problem | None
    decision: Decision
    applied: bool
    ready_copies: int
    failed_copies: int = 0


@dataclass(frozen=True)
class Addresses:
    """URLs of an InferenceService, with the gateway's port."""

    service: str
    predictor: str
    tag: dict[str, str]


def addresses_of(name: str, namespace: str, domain: str, port: int) -> Addresses:
    """URLs by Knative's and KServe's rules for host names."""
    predictor = f"{name}-predictor.{namespace}.{domain}:{port}"
    return Addresses(
        service=f"http://{name}.{namespace}.{domain}:{port}",
        predictor=f"http://{predictor}",
        tag={tag: f"http://{tag}-{predictor}" for tag in ("prev", "latest")},
    )


def rollout_of(status: Object) -> Rollout:
    """What a status remembers of the roll-out."""
    held = (status.get("components") or {}).get("predictor") or {}
    return Rollout(
        rolled_out=held.get("latestRolledoutRevision", ""),
        previous=held.get("previousRolledoutRevision", ""),
        traffic=tuple(
            Target(
                entry["revisionName"], entry.get("percent", 0), entry.get("latestRevision", False), entry.get("tag", "")
            )
            for entry in held.get("traffic", [])
        ),
    )


def make_status(present: Object, observed: Observed, addresses: Addresses, *, generation: int, now: float) -> Object:
    """The status that follows from what is observed.

    Args:
        present: the status as it is; times of conditions that do not change are kept.
        observed: what holds.
        addresses: URLs, given from the moment that the gateway has the traffic.
        generation: `metadata.generation` that was observed.
        now: seconds since 1970.
    """
    routed = "url" in present or (observed.decision.shifted and observed.applied)
    status: Object = {
        "components": {"predictor": _predictor(observed, addresses, routed=routed)},
        "conditions": _written(present.get("conditions", []), judge_conditions(observed, routed=routed), now=now),
        "deploymentMode": "Knative",
        "modelStatus": _model_status(observed, routed=routed),
        "observedGeneration": generation,
    }
    if routed:
        status["address"] = {"url": addresses.predictor}
        status["url"] = addresses.service
    return status


def _predictor(observed: Observed, addresses: Addresses, *, routed: bool) -> Object:
    rollout = observed.decision.rollout
    held: Object = {
        "latestCreatedRevision": observed.latest_created,
        "latestReadyRevision": observed.latest_ready,
        "latestRolledoutRevision": rollout.rolled_out,
        "previousRolledoutRevision": rollout.previous,
    }
    held = {key: value for key, value in held.items() if value}
    if rollout.traffic:
        held["traffic"] = [_entry(target, addresses) for target in rollout.traffic]
    if routed:
        held["address"] = {"url": addresses.predictor}
        held["url"] = addresses.predictor
    return held


def _entry(target: Target, addresses: Addresses) -> Object:
    entry: Object = {"latestRevision": target.latest, "percent": target.percent, "revisionName": target.revision}
    if target.tag:
        entry |= {"tag": target.tag, "url": addresses.tag[target.tag]}
    return entry


@dataclass(frozen=True)
class _Word:
    status: str
    reason: str = ""
    message: str = ""


def judge_conditions(observed: Observed, *, routed: bool) -> dict[str, _Word]:
    """Each condition's status, reason and message."""
    configuration = _configuration(observed)
    route = _route(observed)
    predictor = _predictor_word(observed, configuration, route)
    ingress = _Word("True") if routed else _Word("Unknown")
    return {
        "IngressReady": ingress,
        "LatestDeploymentReady": _following(configuration, "PredictorConfigurationReady not ready"),
        "PredictorConfigurationReady": configuration,
        "PredictorReady": predictor,
        "PredictorRouteReady": route,
        "Ready": predictor if predictor.status != "True" else ingress,
        "RoutesReady": _following(route, "PredictorRouteReady not ready"),
        "Stopped": _Word("False"),
    }


def _configuration(observed: Observed) -> _Word:
    if observed.latest_is_ready:
        return _Word("True")
    if observed.problem is None:
        return _Word("Unknown")
    told = f'Revision "{observed.latest_created}" failed with message: {observed.problem.message}.'
    return _Word("False", "RevisionFailed", told)


def _route(observed: Observed) -> _Word:
    if not observed.decision.rollout.traffic:
        configuration = observed.latest_created.rpartition("-")[0]
        message = f'Configuration "{configuration}" is waiting for a Revision to become ready.'
        return _Word("Unknown", "RevisionMissing", message)
    waits_for_revision = not observed.latest_is_ready and not observed.decision.shifted
    if observed.decision.shifted and observed.applied:
        return _Word("True")
    if waits_for_revision and observed.applied:
        return _Word("True")
    return _Word("Unknown", "Uninitialized", "Waiting for load balancer to be ready")


def _predictor_word(observed: Observed, configuration: _Word, route: _Word) -> _Word:
    if configuration.status == "False":
        return configuration
    if route.status != "True":
        return route
    return _Word("True") if configuration.status == "True" else _Word("Unknown")


def _following(word: _Word, reason: str) -> _Word:
    return _Word("True") if word.status == "True" else _Word(word.status, reason)


def _written(present: list[Object], words: dict[str, _Word], *, now: float) -> list[Object]:
    before = {held["type"]: held for held in present}
    made = []
    for kind, word in sorted(words.items()):
        condition: Object = {"status": word.status, "type": kind}
        if kind not in MAIN_CONDITIONS:
            condition["severity"] = "Info"
        if word.reason:
            condition["reason"] = word.reason
        if word.message:
            condition["message"] = word.message
        held = before.get(kind, {})
        same = {key: value for key, value in held.items() if key != "lastTransitionTime"} == condition
        condition["lastTransitionTime"] = held["lastTransitionTime"] if same else timestamp(now)
        made.append(dict(sorted(condition.items())))
    return made


def _model_status(observed: Observed, *, routed: bool) -> Object:
    copies: Object = {"failedCopies": observed.failed_copies}
    states = {"activeModelState": "Loaded" if routed else "", "targetModelState": "Pending"}
    pending = observed.problem is not None and observed.problem.reason == UNSCHEDULABLE
    if observed.problem is not None and not observed.latest_is_ready and not pending:
        copies = {"failedCopies": max(1, observed.failed_copies), "totalCopies": max(1, observed.ready_copies)}
        states["targetModelState"] = "FailedToLoad"
        failure: Object = {
            "message": observed.problem.message,
            "modelRevisionName": observed.latest_created,
            "reason": observed.problem.reason,
            "time": timestamp(observed.problem.time),
        }
        if observed.problem.exit_code is not None:
            failure["exitCode"] = observed.problem.exit_code
        spec_is_wrong = observed.problem.reason in ("InvalidPredictorSpec", "NoSupportingRuntime", "ModelNotRegistered")
        return {
            "copies": copies,
            "lastFailureInfo": failure,
            "states": states,
            "transitionStatus": "InvalidSpec" if spec_is_wrong else "BlockedByFailedLoad",
        }
    if observed.ready_copies:
        copies["totalCopies"] = observed.ready_copies
    done = observed.latest_is_ready and observed.decision.shifted and observed.applied
    if done:
        states["targetModelState"] = "Loaded"
    return {"copies": copies, "states": states, "transitionStatus": "UpToDate" if done else "InProgress"}


def make_stopped_status(present: Object, *, generation: int, now: float) -> Object:
    """The status of an InferenceService that is annotated to be stopped: all that was known of it is cleared.

    Source: kserve v0.20, pkg/controller/v1beta1/inferenceservice/components/predictor.go.
    """
    stopped = _Word("False", "Stopped")
    words = {"IngressReady": stopped, "PredictorReady": stopped, "Ready": stopped, "Stopped": _Word("True")}
    return {
        "conditions": _written(present.get("conditions", []), words, now=now),
        "deploymentMode": "Knative",
        "modelStatus": {"transitionStatus": ""},
        "observedGeneration": generation,
    }


def problem_of(revision: Revision, refusal: tuple[str, str] | None, *, now: float) -> Problem | None:
    """What keeps a revision from being ready: a refusal, no room for its replicas, or its last failure.

    One end of a revision that has been ready before is no problem yet: its replica is being replaced.
    """
    if refusal is not None:
        return Problem(refusal[0], refusal[1], time=now)
    if revision.unschedulable:
        return Problem(UNSCHEDULABLE, revision.unschedulable, time=now)
    failure = revision.last_failure
    if failure is None or revision.failures < (2 if revision.ready else 1):
        return None
    return Problem(failure.reason, failure.message, failure.exit_code, failure.time)


def condition_of(status: Object, kind: str) -> Object | None:
    """One condition of a status, or None where it has none of that type."""
    return next((held for held in status.get("conditions", []) if held["type"] == kind), None)
