"""Writing the statuses of InferenceServices: what `status` makes of a round."""

from __future__ import annotations

from typing import Any

from modelyard.serving.controller.ledger import Ledger
from modelyard.serving.controller.revisions import Revision
from modelyard.serving.controller.rounds import Key, Round, newest_of
from modelyard.serving.controller.status import (
    Observed,
    addresses_of,
    condition_of,
    make_status,
    make_stopped_status,
    problem_of,
)
from modelyard.serving.controller.traffic import Decision
from modelyard.serving.events import NORMAL, WARNING, Recorder
from modelyard.serving.spec.replicas import Refusal
from modelyard.serving.store import NotFound

Object = dict[str, Any]


class Statuses:
    """Writes what is decided and observed.

    Args:
        ledger: where it goes.
        recorder: tells when a service becomes ready and when it no longer is, as KServe's controller does.
        domain: of the URLs.
        gateway_port: of the URLs.
    """

    def __init__(self, ledger: Ledger, recorder: Recorder, *, domain: str, gateway_port: int) -> None:
        self._ledger = ledger
        self._recorder = recorder
        self._domain = domain
        self._gateway_port = gateway_port

    def note_problems(self, held: Round) -> None:
        """Find what keeps each revision from being ready."""
        for revisions in held.revisions.values():
            for revision in revisions:
                spec = held.specs[revision.key]
                refused = held.unserved.get(revision.key) or (spec if isinstance(spec, Refusal) else None)
                refusal = (refused.reason, refused.message) if refused else None
                since = revision.status.get("refusedAt", held.now)
                if refusal and "refusedAt" not in revision.status:
                    self._ledger.save(revision, refusedAt=since)
                problem = problem_of(revision, refusal, now=since)
                if problem is not None:
                    held.problems[revision.key] = problem

    def write(self, held: Round, *, applied: bool) -> None:
        """Write the status of every InferenceService that has a revision.

        Args:
            held: the round, with its decisions.
            applied: Envoy has taken the traffic.
        """
        for key, decision in held.decisions.items():
            revisions = held.revisions.get(key, [])
            if revisions:
                self._write(held, key, decision, _observed(held, revisions, decision, applied=applied))

        for key in held.stopped:
            isvc = held.services[key]
            generation = isvc["metadata"].get("generation", 1)
            status = make_stopped_status(isvc.get("status") or {}, generation=generation, now=held.now)
            self._save(held, key, status)

    def _write(self, held: Round, key: Key, decision: Decision, observed: Observed) -> None:
        isvc = held.services[key]
        addresses = addresses_of(key[1], key[0], self._domain, self._gateway_port)
        generation = isvc["metadata"].get("generation", 1)
        status = make_status(isvc.get("status") or {}, observed, addresses, generation=generation, now=held.now)
        self._save(held, key, status)
        if not decision.shifted:
            held.busy = held.busy or observed.problem is None

    def _save(self, held: Round, key: Key, status: Object) -> None:
        try:
            after = self._ledger.store.update_status("inferenceservices", *key, status)
        except NotFound:
            held.busy = True
            return
        was, ready = _is_ready(held.services[key]), _is_ready(after)
        if ready and not was:
            self._recorder.event(after, NORMAL, "InferenceServiceReady", f"InferenceService [{key[1]}] is Ready")
        if was and not ready:
            told = f"InferenceService [{key[1]}] is no longer Ready"
            self._recorder.event(after, WARNING, "InferenceServiceNotReady", told)


def _observed(held: Round, revisions: list[Revision], decision: Decision, *, applied: bool) -> Observed:
    newest = max(revisions, key=lambda revision: revision.number)
    problem = held.problems.get(newest.key)
    return Observed(
        latest_created=newest.name,
        latest_ready=newest_of(revision for revision in revisions if revision.ready),
        # As in Knative a revision that has been ready stays so: its replicas come and go, and may be none.
        latest_is_ready=newest.ready and problem is None,
        problem=problem,
        decision=decision,
        applied=applied,
        ready_copies=len(held.ready_of(newest)),
    )


def _is_ready(isvc: Object) -> bool:
    found = condition_of(isvc.get("status") or {}, "Ready")
    return found is not None and found["status"] == "True"
