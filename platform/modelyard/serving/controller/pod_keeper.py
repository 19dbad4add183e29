"""Pods kept equal to the replicas, and the events that kubelet and the scheduler would tell of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from modelyard.serving.controller.revisions import Revision
from modelyard.serving.controller.rounds import Key, Round, every
from modelyard.serving.events import NORMAL, WARNING, Recorder
from modelyard.serving.pods import CONTAINER, crashed_pod, keep_pods, pending_pod, pod_of
from modelyard.serving.store import NotFound, Store

Object = dict[str, Any]


class PodKeeper:
    """Writes pods when the replicas have changed, and tells what became of them."""

    def __init__(self, store: Store, recorder: Recorder) -> None:
        self._store = store
        self._recorder = recorder
        self._seen: tuple[Any, ...] | None = None

    def keep(self, held: Round) -> None:
        """Make the Store's pods equal to the replicas of a round."""
        seen = tuple(_signature(held, revision) for revision in every(held.revisions))
        if seen == self._seen:
            return
        before = {_key(pod): pod for pod in self._store.list("pods")[0]}
        keep_pods(self._store, [pod for revision in every(held.revisions) for pod in _pods(held, revision)])
        for pod in self._store.list("pods")[0]:
            for type_, reason, message in happenings(before.get(_key(pod)), pod):
                self._recorder.event(pod, type_, reason, message)
        self._seen = seen

    def tell(self, namespace: str, name: str, type_: str, reason: str, message: str) -> None:
        """An event of a pod, if it is there."""
        try:
            pod = self._store.get("pods", namespace, name)
        except NotFound:
            return
        self._recorder.event(pod, type_, reason, message)


def happenings(before: Object | None, after: Object) -> Iterator[tuple[str, str, str]]:
    """Events that lie between two states of a pod, in kubelet's and the scheduler's words: type, reason, message."""
    meta, was, now = after["metadata"], _state(before), _state(after)
    if after["status"].get("phase") == "Pending":
        if before is None:
            yield WARNING, "FailedScheduling", after["status"]["conditions"][0]["message"]
        return
    if "running" in now and "running" not in was:
        node = after["spec"].get("nodeName", "")
        yield NORMAL, "Scheduled", f"Successfully assigned {meta['namespace']}/{meta['name']} to {node}"
        yield NORMAL, "Created", f"Created container: {CONTAINER}"
        yield NORMAL, "Started", f"Started container {CONTAINER}"
    if "deletionTimestamp" in meta and (before is None or "deletionTimestamp" not in before["metadata"]):
        yield NORMAL, "Killing", f"Stopping container {CONTAINER}"
    if "waiting" in now and "waiting" not in was:
        yield WARNING, "BackOff", now["waiting"]["message"]


def _pods(held: Round, revision: Revision) -> Iterator[Object]:
    for record in held.of(revision):
        # Only what was asked to end: a pod that drains may be needed again, and Kubernetes takes no deletion back.
        going = record.name in revision.stopping
        restarts = revision.restarts.get(record.name, 0)
        yield pod_of(
            replace(record, stopping=record.stopping or going),
            revision.obj,
            ready=record.name in held.ready and not going,
            now=held.now,
            leaving=going,
            restarts=restarts,
            previous=revision.last_failure if restarts else None,
        )
    missing = held.wanted[revision.key] - len(held.living_of(revision))
    if revision.unschedulable:
        for number in range(missing):
            yield pending_pod(revision.obj, number, message=revision.unschedulable, now=held.now)
    elif missing > 0 and revision.last_failure is not None and revision.failures:
        yield crashed_pod(revision.obj, revision.last_failure, restarts=revision.failures, now=held.now)


def _signature(held: Round, revision: Revision) -> tuple[Any, ...]:
    """All that the pods of a revision are made of."""
    return (
        revision.key,
        held.wanted[revision.key],
        revision.failures,
        revision.last_failure,
        revision.unschedulable,
        revision.stopping,
        tuple((r, r.name in held.ready) for r in held.of(revision)),
    )


def _state(pod: Object | None) -> Object:
    containers = (pod or {}).get("status", {}).get("containerStatuses") or [{}]
    return containers[0].get("state") or {}


def _key(pod: Object) -> Key:
    return pod["metadata"]["namespace"], pod["metadata"]["name"]
