"""The InferenceService that a fault hits, and its replicas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from modelyard.connections import Connections
from modelyard.errors import FaultNotMade
from modelyard.kube import InferenceServices, is_pod_ready, is_ready
from modelyard.settings import Settings
from modelyard.yard import marks

Object = dict[str, Any]
REGISTERED, VERSION = "modelyard.dev/registered-model", "modelyard.dev/model-version"
MODEL_KEYS = ("model", "sklearn", "xgboost", "lightgbm", "onnx", "mlflow")


@dataclass(frozen=True)
class Target:
    """An InferenceService: its object and its pods."""

    yard_id: str
    obj: Object
    pods: Sequence[Object]

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.obj["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return str(self.obj["metadata"]["namespace"])

    @property
    def target(self) -> str:
        """As a fault's record names it."""
        return f"isvc {self.namespace}/{self.name}"

    @property
    def annotations(self) -> dict[str, str]:
        """Its annotations."""
        return self.obj["metadata"].get("annotations") or {}

    @property
    def model_key(self) -> str:
        """The field of its predictor that says what is served: `model`, or an old form such as `sklearn`."""
        return next((key for key in MODEL_KEYS if self.obj["spec"]["predictor"].get(key)), "model")

    @property
    def model(self) -> Object:
        """What that field holds."""
        return self.obj["spec"]["predictor"].get(self.model_key) or {}


@dataclass(frozen=True)
class Replica:
    """A replica's process."""

    pod: str
    pid: int
    started: float


def pick(conn: Connections, settings: Settings, name: str) -> Target:
    """The InferenceService of that name, else the one of the namespace that is ready (the story's, where there is).

    Raises:
        FaultNotMade: there is none, it is not ready, or a canary of it is under way.
    """
    services = InferenceServices(conn.kubeconfig, settings.namespace)
    held = services.list()
    chosen = choose([item for item in held if is_ready(item)], name)
    if chosen is None:
        names = ", ".join(item["metadata"]["name"] for item in held)
        raise FaultNotMade(
            f"InferenceService {name} is not ready" if name else "no InferenceService is ready",
            allowed=f"one that is ready; there are: {names or 'none'}",
            next_command=f"./invoke why {name}".strip() if held else "./invoke demo",
        )
    if chosen["spec"]["predictor"].get("canaryTrafficPercent") is not None:
        raise FaultNotMade(
            f"a canary of {chosen['metadata']['name']} is under way", next_command="./invoke canary --roll-back"
        )
    return Target(conn.layout.yard_id, chosen, services.pods(chosen["metadata"]["name"]) or ())


def choose(ready: Sequence[Object], name: str) -> Object | None:
    """That of the name; without a name the story's, else the first."""
    wanted = [item for item in ready if not name or item["metadata"]["name"] == name]
    return next((item for item in wanted if item["metadata"]["name"] == "flights"), wanted[0] if wanted else None)


def replicas_of(target: Target) -> list[Replica]:
    """The processes of its ready replicas; each carries the yard's mark.

    Raises:
        FaultNotMade: there is none, or the replicas are no processes of this machine.
    """
    ours = {process.pid: process.started for process in marks.find_marked(target.yard_id)}
    pods = [pod for pod in target.pods if is_pod_ready(pod)]
    found = [Replica(pod["metadata"]["name"], pid, ours[pid]) for pod in pods if (pid := pid_of(pod)) in ours and pid]
    if not found:
        raise FaultNotMade(
            f"InferenceService {target.name} has no replica now: it sleeps",
            next_command="./invoke predict",
        )
    return found


def pid_of(pod: Object) -> int | None:
    """The process of a pod's container (`process://PID`); None where it is none of this machine."""
    for status in pod.get("status", {}).get("containerStatuses", []):
        kind, _, number = (status.get("containerID") or "").partition("://")
        if kind == "process" and number.isdecimal():
            return int(number)
    return None


def end_replicas(replicas: Sequence[Replica]) -> None:
    """Ask replicas to end, as a drain of their node would; the platform starts others."""
    for replica in replicas:
        try:
            process = psutil.Process(replica.pid)
            if process.create_time() == replica.started:
                process.terminate()
        except psutil.Error:
            continue


def version_now(conn: Connections, held: Mapping[str, Any]) -> str:
    """The model version that the InferenceService names now; "" where it has gone."""
    present = InferenceServices(conn.kubeconfig, held["namespace"]).get(held["name"])
    return (present["metadata"].get("annotations") or {}).get(VERSION, "") if present else ""
