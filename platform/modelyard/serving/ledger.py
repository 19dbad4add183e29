"""What the Store keeps of InferenceServices and revisions: read for a round, made, changed, forgotten."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from modelyard.serving.revisions import Revision, decide_revision, plan_forgetting, revision_from
from modelyard.serving.rounds import DELETED, Key, Round, key_of
from modelyard.serving.store import AlreadyExists, Store

Object = dict[str, Any]


class Ledger:
    """The controller's view of the Store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def make_revisions(self) -> bool:
        """Make the revisions that are missing; whether one must wait for its namesake of a deleted service to go."""
        waits = False
        held = defaultdict(list)
        for obj in self.store.list("revisions")[0]:
            held[obj["metadata"]["ownerReferences"][0]["uid"]].append(revision_from(obj))
        for isvc in self.store.list("inferenceservices")[0]:
            made = decide_revision(isvc, held[isvc["metadata"]["uid"]])
            if made is not None:
                try:
                    self.store.create("revisions", made)
                except AlreadyExists:
                    waits = True
        return waits

    def read(self) -> tuple[dict[Key, Object], dict[Key, list[Revision]]]:
        """InferenceServices by key, and revisions by the key of theirs; DELETED ends it where that one is gone."""
        services = {key_of(isvc): isvc for isvc in self.store.list("inferenceservices")[0]}
        revisions: dict[Key, list[Revision]] = defaultdict(list)
        for obj in self.store.list("revisions")[0]:
            revision = revision_from(obj)
            owner = services.get((revision.namespace, revision.inferenceservice))
            orphan = owner is None or owner["metadata"]["uid"] != obj["metadata"]["ownerReferences"][0]["uid"]
            name = revision.inferenceservice + (DELETED if orphan else "")
            revisions[revision.namespace, name].append(revision)
        return services, dict(revisions)

    def save(self, revision: Revision, **changes: Any) -> Revision:
        """Change a revision's status; the revision as it is then."""
        status = {**revision.status, **changes}
        return revision_from(self.store.update_status("revisions", revision.namespace, revision.name, status))

    def forget(self, held: Round, wanted: dict[str, int]) -> None:
        """Delete revisions that nothing needs any more."""
        for key, revisions in held.revisions.items():
            if key not in held.services:
                spare = [r.name for r in revisions if not held.of(r) and not wanted[r.name]]
            else:
                decision = held.decisions[key]
                rollout = decision.rollout
                needed = {rollout.rolled_out, rollout.previous}
                needed |= {target.revision for target in (*decision.wanted, *rollout.traffic)}
                needed |= {r.name for r in revisions if held.of(r) or wanted[r.name]}
                spare = plan_forgetting(revisions, needed)
            for name in spare:
                self.store.delete("revisions", key[0], name)
