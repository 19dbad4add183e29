"""Rules about InferenceServices: what keeps one from being ready, and what is wrong with one that answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from modelyard.faults.targets import pid_of
from modelyard.kube import is_pod_ready
from modelyard.why.facts import Diagnosis, Facts
from modelyard.why.objects import (
    annotations_of,
    changed_variables,
    events_about,
    model_of,
    name_of,
    pods_of,
    readiness,
    ready_pods,
    revision_of,
    served_by,
    subject_of,
)

Object = dict[str, Any]
DIGEST, REGISTERED, VERSION = (
    "modelyard.dev/model-digest",
    "modelyard.dev/registered-model",
    "modelyard.dev/model-version",
)
KILLED = 137
"""Exit code of a process that was ended by SIGKILL."""
SPEC_REASONS = ("InvalidPredictorSpec", "NoSupportingRuntime", "ModelNotRegistered")
BACK = "./invoke promote --version production --why 'Back to the registered model'"


def diagnose_inferenceservices(facts: Facts) -> Iterator[Diagnosis]:
    """What is wrong with each InferenceService."""
    for service in facts.services or ():
        pods = pods_of(service, facts.pods)
        problem = _not_ready(service, pods, facts) or _frozen(service, pods, facts) or _other_model(service, facts)
        if problem is not None:
            yield problem


def describe_inferenceservice(service: Object, facts: Facts) -> str:
    """Its condition in a line: Ready, replicas, and whether requests are answered."""
    status, reason, since = readiness(service)
    pods = pods_of(service, facts.pods)
    answering = ready_pods(pods, served_by(service), facts.frozen)
    told = f"Ready is {status}" + (f" since {since}" if since else "") + (f" ({reason})" if reason else "")
    count = f"{len(answering)} replica{'' if len(answering) == 1 else 's'} of {', '.join(served_by(service)) or 'none'}"
    return f"{told}; {count} can answer" + ("" if answering or pods else ": it sleeps until somebody asks")


def _not_ready(service: Object, pods: Sequence[Object], facts: Facts) -> Diagnosis | None:
    status, reason, _ = readiness(service)
    if status == "True" or reason == "Stopped":
        return None
    failure = service.get("status", {}).get("modelStatus", {}).get("lastFailureInfo") or {}
    newest = failure.get("modelRevisionName", "")
    answering = ready_pods(pods, served_by(service), facts.frozen)
    kind, cause, command = _cause(service, pods, failure, facts)
    if answering:
        cause += f"; requests are still answered by {', '.join(sorted({revision_of(pod) for pod in answering}))}"
    log, line = _log_of(newest, facts)
    return Diagnosis(
        subject=subject_of(service),
        rank=2 if answering else 1,
        condition=describe_inferenceservice(service, facts),
        cause=cause,
        next_command=command,
        kind=kind,
        events=events_about(facts.events, service, pods),
        log=log,
        log_line=line,
    )


def _cause(service: Object, pods: Sequence[Object], failure: Object, facts: Facts) -> tuple[str, str, str]:
    """Kind of fault, cause and next command of an InferenceService that is not ready."""
    reason, message = failure.get("reason", ""), failure.get("message", "")
    describe = f"kubectl describe isvc {name_of(service)} --namespace {service['metadata']['namespace']}"
    edit = describe.replace("describe", "edit", 1)
    store_is_well = facts.is_well("objectstore")
    named = {
        "": ("", "it is on its way: its revision has not become ready yet", describe),
        "ModelDigestMismatch": (
            "model",
            "the model in the store is not the one that was registered (ModelDigestMismatch), so it is not loaded: "
            + message,
            "./invoke lineage",
        ),
        "ModelDownloadFailed": ("model", f"there is no model to fetch: {message}", edit)
        if store_is_well
        else ("store", "its model cannot be fetched: the object store is not ready", "./invoke why objectstore"),
        "RuntimeUnhealthy": ("replica", f"its replicas hang: {message}", describe),
        **dict.fromkeys(SPEC_REASONS, ("", f"its spec cannot be served ({reason}): {message}", edit)),
    }
    return named.get(reason) or _crash(pods, failure, served_by(service), describe, edit)


def _crash(
    pods: Sequence[Object], failure: Object, before: Sequence[str], describe: str, edit: str
) -> tuple[str, str, str]:
    newest, message = failure.get("modelRevisionName", ""), failure.get("message", "")
    if failure.get("exitCode") == KILLED:
        told = f"replicas of {newest} are killed from outside (SIGKILL, exit code 137): most often memory is short"
        return "replica", told, "./invoke doctor"
    changed = changed_variables(pods, newest, before)
    told = f"replicas of {newest} crash at each start: {message}"
    if changed:
        return "replica", f"{told}; it is the first revision with {', '.join(changed)}", edit
    return "replica", told, describe


def _log_of(revision: str, facts: Facts) -> tuple[str, str]:
    """The log of the last replica of a revision that left one, and its line that matters."""
    held = [found for name, found in sorted(facts.replica_logs.items()) if name.startswith(f"{revision}-")]
    with_line = [found for found in held if found[1]]
    return with_line[-1] if revision and with_line else ("", "")


def _frozen(service: Object, pods: Sequence[Object], facts: Facts) -> Diagnosis | None:
    held = [pod for pod in pods if pid_of(pod) in facts.frozen and is_pod_ready(pod)]
    if not held:
        return None
    pod, pid = held[0]["metadata"]["name"], pid_of(held[0])
    left = len(ready_pods(pods, served_by(service), facts.frozen))
    told = f"replica {pod} is frozen (SIGSTOP): it takes requests and answers none, until its liveness probe ends it"
    return Diagnosis(
        subject=subject_of(service),
        rank=2 if left else 1,
        condition=describe_inferenceservice(service, facts),
        cause=told,
        next_command=f"kill -CONT {pid}",
        kind="replica",
        events=events_about(facts.events, service, pods),
    )


def _other_model(service: Object, facts: Facts) -> Diagnosis | None:
    """A model under a version number that the registry has for another one."""
    held = annotations_of(service)
    key = (held.get(REGISTERED, ""), held.get(VERSION, ""))
    known, served = facts.registered.get(key, ""), held.get(DIGEST, "")
    if not known or known == served:
        return None
    uri = model_of(service).get("storageUri", "")
    told = f"it serves {uri} as version {key[1]} of {key[0]}, and the registry has another model under that number"
    return Diagnosis(
        subject=subject_of(service),
        rank=1,
        condition=describe_inferenceservice(service, facts),
        cause=f"{told}: digest {served[:12]}… is deployed, {known[:12]}… is registered",
        next_command=BACK,
        kind="model",
        events=events_about(facts.events, service, pods_of(service, facts.pods)),
    )
