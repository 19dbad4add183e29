"""A rollout whose replicas crash at each start: a variable of the predictor holds what the model server cannot read."""

from __future__ import annotations

from typing import Any

from modelyard.connections import Connections
from modelyard.errors import FaultNotMade
from modelyard.faults.fault import Fault, Prepared, Say
from modelyard.faults.records import FaultRecord
from modelyard.faults.targets import MODEL_KEYS, pick
from modelyard.kube import InferenceServices
from modelyard.settings import Settings

VARIABLE, VALUE = "WEBSOCKETS_MAX_LINE_LENGTH", "8k"
"""Every KServe model server reads this one as a whole number when it begins to serve (websockets/http11.py)."""
Object = dict[str, Any]


class ReplicaCrashes(Fault):
    """The newest revision's replicas end with a traceback; the revision before goes on serving."""

    kind, how = "replica", "crash"
    breaks = f"rolls out a predictor with {VARIABLE}={VALUE}, which its model server cannot read"
    notice = "new replicas crash at each start and ReplicasCrashLooping fires; the older revision goes on answering"
    look = ("kubectl describe isvc", "kubectl get pods", "kubectl logs POD --previous")
    repair = "`kubectl edit isvc` and take the variable away, or apply the manifest of before"

    def prepare(self, conn: Connections, settings: Settings, name: str) -> Prepared:
        """A ready InferenceService that does not set the variable itself."""
        service = pick(conn, settings, name)
        if any(held["name"] == VARIABLE for held in service.model.get("env") or []):
            raise FaultNotMade(f"InferenceService {service.name} sets {VARIABLE} itself")
        told = f"its predictor sets {VARIABLE}={VALUE}, which the model server cannot read as a number"
        held = {"namespace": service.namespace, "name": service.name, "variable": VARIABLE, "value": VALUE}
        return Prepared(service.target, told, held)

    def make(self, conn: Connections, settings: Settings, record: FaultRecord, say: Say) -> None:
        """Add the variable, which makes a new revision."""
        _change(conn, record, add=True)

    def undo(self, conn: Connections, settings: Settings, record: FaultRecord, say: Say) -> str:
        """Take that variable away where it still has that value, and wait until the InferenceService is ready."""
        changed = _change(conn, record, add=False)
        if changed is None:
            return f"{record.target} no longer sets {record.held['variable']}"
        services = InferenceServices(conn.kubeconfig, record.held["namespace"])
        name, generation = record.held["name"], changed["metadata"]["generation"]
        services.wait_ready(name, generation=generation, deadline_s=settings.ready_deadline_s)
        return f"{record.target} is ready without {record.held['variable']}"


def _change(conn: Connections, record: FaultRecord, *, add: bool) -> Object | None:
    """Add or take away the variable; the InferenceService afterwards, None where nothing was to be changed."""
    held = record.held
    services = InferenceServices(conn.kubeconfig, held["namespace"])
    present = services.get(held["name"])
    if present is None:
        return None
    predictor = present["spec"]["predictor"]
    key = next((key for key in MODEL_KEYS if predictor.get(key)), "model")
    before = (predictor.get(key) or {}).get("env") or []
    ours = {"name": held["variable"], "value": held["value"]}
    others = [entry for entry in before if entry != ours]
    after = [*others, ours] if add else others
    if after == before:
        return None
    return services.patch(held["name"], {"spec": {"predictor": {key: {"env": after or None}}}})
