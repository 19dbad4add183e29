"""What one round of the controller has read, and small questions about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from modelyard.autoscaling.spec import ScalingSpec
from modelyard.serving.controller.revisions import Revision
from modelyard.serving.controller.status import Problem
from modelyard.serving.controller.traffic import Decision
from modelyard.serving.replicas.records import ReplicaRecord, ReplicaSpec
from modelyard.serving.spec.replicas import Refusal

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
    stopped: frozenset[Key] = frozenset()
    """InferenceServices that shall have no revisions."""
    specs: dict[Key, ReplicaSpec | Refusal] = field(default_factory=dict)
    """What replicas of a revision must be, by (namespace, revision name); so the next four."""
    unserved: dict[Key, Refusal] = field(default_factory=dict)
    """What of an InferenceService only a cluster serves, by its newest revision."""
    scaling: dict[Key, ScalingSpec] = field(default_factory=dict)
    problems: dict[Key, Problem] = field(default_factory=dict)
    wanted: dict[Key, int] = field(default_factory=dict)
    """How many replicas there shall be."""
    ready: frozenset[str] = frozenset()
    decisions: dict[Key, Decision] = field(default_factory=dict)
    given_gpus: list[str] = field(default_factory=list)
    """Devices given to replicas that were started in this round."""
    busy: bool = False

    def of(self, revision: Revision) -> list[ReplicaRecord]:
        """Replicas of a revision."""
        return self.replicas.get(revision.key, [])

    def ready_of(self, revision: Revision) -> list[ReplicaRecord]:
        """Replicas of a revision that answer and were not asked to end."""
        return [replica for replica in self.living_of(revision) if replica.name in self.ready]

    def living_of(self, revision: Revision) -> list[ReplicaRecord]:
        """Replicas of a revision that have not ended and were not asked to."""
        return [r for r in self.of(revision) if r.state != "exited" and r.name not in revision.stopping]


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
