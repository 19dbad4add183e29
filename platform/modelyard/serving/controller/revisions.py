"""Revisions: what a change of an InferenceService makes new, what each needs, and which replicas must start or stop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelyard.serving.replicas.records import ReplicaRecord

Object = dict[str, Any]

STOP_ANNOTATION = "serving.kserve.io/stop"
NOT_IN_TEMPLATE = frozenset({"kubectl.kubernetes.io/last-applied-configuration", STOP_ANNOTATION})
"""Annotations that are kubectl's or about the whole service; everything else makes a new revision, as in KServe."""
KEPT_REVISIONS = 10
"""Revisions kept beside those that traffic or a roll-back still needs."""
BACK_OFF_LIMIT_S = 60.0


@dataclass(frozen=True)
class Failure:
    """A replica's end that nobody asked for. `time` is in seconds since 1970."""

    replica: str
    reason: str
    message: str
    exit_code: int | None
    time: float


@dataclass(frozen=True)
class Revision:
    """A revision as the Store has it.

    Attributes:
        ready: it has been ready once; a revision stays ready in this sense, its replicas come and go.
        failures: ends in a row since its replicas were last all ready.
        obj: its object as it was read.
    """

    namespace: str
    name: str
    inferenceservice: str
    template: Object
    ready: bool = False
    failures: int = 0
    last_failure: Failure | None = None
    status: Object = field(default_factory=dict, compare=False)
    obj: Object = field(default_factory=dict, compare=False, repr=False)

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name

    @property
    def number(self) -> int:
        """Its number in the InferenceService."""
        return int(self.name.rpartition("-")[2])

    @property
    def predictor(self) -> Object:
        """`spec.predictor` of the InferenceService as it was, without canaryTrafficPercent."""
        return self.template["predictor"]

    @property
    def annotations(self) -> dict[str, str]:
        """Annotations of the InferenceService as they were."""
        return self.template.get("annotations", {})

    @property
    def desired_scale(self) -> int | None:
        """How many replicas the autoscaler wants; None before it has said so."""
        return self.status.get("desiredScale")

    @property
    def stopping(self) -> frozenset[str]:
        """Names of replicas that were asked to end."""
        return frozenset(self.status.get("stopping", ()))

    @property
    def restarts(self) -> dict[str, int]:
        """By name of those replicas that came in the place of one that ended by itself: how many did in a row."""
        return self.status.get("restarts") or {}

    @property
    def unschedulable(self) -> str:
        """Why no more replicas of it can be started on this machine; empty where they can."""
        return self.status.get("unschedulable", "")


def template_of(isvc: Object) -> Object:
    """The part of an InferenceService whose change makes a new revision."""
    meta = isvc["metadata"]
    predictor = {
        key: value for key, value in isvc["spec"].get("predictor", {}).items() if key != "canaryTrafficPercent"
    }
    annotations = {k: v for k, v in (meta.get("annotations") or {}).items() if k not in NOT_IN_TEMPLATE}
    return {"predictor": predictor, "annotations": annotations, "labels": meta.get("labels") or {}}


def is_stopped(isvc: Object) -> bool:
    """Whether an InferenceService shall have no revisions; source: kserve pkg/utils (GetForceStopRuntime)."""
    return ((isvc["metadata"].get("annotations") or {}).get(STOP_ANNOTATION) or "").lower() == "true"


def revision_name(inferenceservice: str, number: int) -> str:
    """Knative's name of a revision."""
    return f"{inferenceservice}-predictor-{number:05d}"


def decide_revision(isvc: Object, revisions: Sequence[Revision]) -> Object | None:
    """The object of the revision that must be made, or None where the newest has this template."""
    template = template_of(isvc)
    newest = max(revisions, key=lambda revision: revision.number, default=None)
    if newest is not None and newest.template == template:
        return None
    meta = isvc["metadata"]
    number = 1 if newest is None else newest.number + 1
    owner = {"apiVersion": isvc["apiVersion"], "kind": isvc["kind"], "name": meta["name"], "uid": meta["uid"]}
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Revision",
        "metadata": {
            "name": revision_name(meta["name"], number),
            "namespace": meta["namespace"],
            "labels": {**template["labels"], "serving.kserve.io/inferenceservice": meta["name"]},
            "annotations": template["annotations"],
            "ownerReferences": [{**owner, "controller": True}],
        },
        "spec": template,
    }


def revision_from(obj: Object) -> Revision:
    """A revision from its object in the Store."""
    meta, status = obj["metadata"], obj.get("status") or {}
    failure = status.get("lastFailure")
    return Revision(
        namespace=meta["namespace"],
        name=meta["name"],
        inferenceservice=meta["ownerReferences"][0]["name"],
        template=obj["spec"],
        ready=bool(status.get("ready")),
        failures=int(status.get("failures", 0)),
        last_failure=Failure(**failure) if failure else None,
        status=status,
        obj=obj,
    )


def back_off_s(failures: int) -> float:
    """Seconds to wait before the next replica after so many failures in a row: 0, 1, 2, 4, ... 60."""
    return 0.0 if failures <= 1 else min(BACK_OFF_LIMIT_S, 2.0 ** (failures - 2))


@dataclass(frozen=True)
class Plan:
    """`starts` are numbers of replicas to start, `stops` names of replicas to take out and end."""

    starts: int = 0
    stops: tuple[str, ...] = ()


def plan_replicas(
    revision: Revision, replicas: Iterable[ReplicaRecord], *, wanted: int, ready: frozenset[str], now: float
) -> Plan:
    """What must happen so that a revision has `wanted` replicas.

    Args:
        revision: its failures decide how long to wait; replicas of it that were asked to end count no more.
        replicas: those on record, ended ones included.
        wanted: how many there shall be.
        ready: names of those that answer.
        now: seconds since 1970.
    """
    running = [replica for replica in replicas if replica.state not in ("exited", "failed")]
    living = [replica for replica in running if replica.name not in revision.stopping]
    if len(living) > wanted:
        # As in Kubernetes those that are not ready go first, then the youngest.
        order = sorted(living, key=lambda replica: (replica.name in ready, -float(replica.start_time), replica.name))
        return Plan(stops=tuple(replica.name for replica in order[: len(living) - wanted]))
    failed_at = revision.last_failure.time if revision.last_failure else 0.0
    if len(living) < wanted and now >= failed_at + back_off_s(revision.failures):
        return Plan(starts=wanted - len(living))
    return Plan()


def plan_forgetting(revisions: Sequence[Revision], needed: Iterable[str]) -> list[str]:
    """Old revisions that may be deleted: neither needed nor among the newest."""
    held = set(needed)
    spare = [r for r in sorted(revisions, key=lambda revision: -revision.number) if r.name not in held]
    return [revision.name for revision in spare[KEPT_REVISIONS:]]
