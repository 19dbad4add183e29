"""What one round of the controller has read, and small questions about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from modelyard.serving.replica_records import ReplicaRecord
from modelyard.serving.revisions import Revision
from modelyard.serving.traffic import Decision

Object = dict[str, Any]
Key = tuple[str, str]

DELETED = "!deleted"
"""Ends the name under which revisions stand whose InferenceService is gone."""


@dataclass
class Round:
    """What one round has read, by (namespace, InferenceService name)."""

    now: float
    services: dict[Key, Object]
    revisions: dict[Key, list[Revision]]
    replicas: dict[Key, list[ReplicaRecord]]
    """By (namespace, revision name)."""
    ready: frozenset[str] = frozenset()
    decisions: dict[Key, Decision] = field(default_factory=dict)
    busy: bool = False

    def of(self, revision: Revision) -> list[ReplicaRecord]:
        """Replicas of a revision."""
        return self.replicas.get((revision.namespace, revision.name), [])

    def ready_of(self, revision: Revision) -> list[ReplicaRecord]:
        """Replicas of a revision that answer."""
        return [replica for replica in self.of(revision) if replica.name in self.ready]

    def living_of(self, revision: Revision) -> list[ReplicaRecord]:
        """Replicas of a revision that have not ended."""
        return [replica for replica in self.of(revision) if replica.state != "exited"]


def key_of(obj: Object) -> Key:
    """Namespace and name of an object."""
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def every(groups: dict[Key, list[Any]]) -> list[Any]:
    """All items of all groups."""
    return [item for group in groups.values() for item in group]


def newest_of(revisions: Iterable[Revision]) -> str:
    """Name of the newest revision; empty where there is none."""
    newest = max(revisions, key=lambda revision: revision.number, default=None)
    return newest.name if newest else ""
