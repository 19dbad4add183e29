"""What the Store keeps of InferenceServices and revisions: read for a round, made, changed, forgotten."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from modelyard.serving.controller.revisions import Revision, decide_revision, is_stopped, plan_forgetting, revision_from
from modelyard.serving.controller.rounds import DELETED, Key, Round, key_of
from modelyard.serving.store import AlreadyExists, NotFound, Store

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
            if is_stopped(isvc):
                continue
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
        """Change parts of a revision's status as it is now in the Store; the revision as it is then."""
        return self.save_at(revision.key, **changes) or revision

    def save_at(self, key: Key, **changes: Any) -> Revision | None:
        """As `save`, of the revision of that namespace and name; None where it is forgotten."""
        try:
            present = self.store.get("revisions", *key).get("status") or {}
            return revision_from(self.store.update_status("revisions", *key, {**present, **changes}))
        except NotFound:
            return None

    def find(self, resource: str, namespace: str, name: str) -> Object | None:
        """An object of the Store, None where there is none."""
        try:
            return self.store.get(resource, namespace, name)
        except NotFound:
            return None

    def reread(self, revision: Revision) -> Revision:
        """A revision as it is now."""
        try:
            return revision_from(self.store.get("revisions", *revision.key))
        except NotFound:
            return revision

    def forget(self, held: Round) -> None:
        """Delete revisions that nothing needs any more."""
        for key, revisions in held.revisions.items():
            used = {r.name for r in revisions if held.of(r) or held.wanted[r.key]}
            decision = held.decisions.get(key)
            if decision is None:
                spare = [r.name for r in revisions if r.name not in used]
            else:
                rollout = decision.rollout
                named = {target.revision for target in (*decision.wanted, *rollout.traffic)}
                spare = plan_forgetting(revisions, {rollout.rolled_out, rollout.previous, *named, *used})
            for name in spare:
                self.store.delete("revisions", key[0], name)
