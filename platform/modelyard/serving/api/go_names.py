"""Paths of fields as Go's JSON decoder tells them: the struct, then the fields, embedded structs among them.

`spec.predictor.minReplicas` is `PredictorSpec.spec.predictor.ComponentExtensionSpec.minReplicas` there. Known here are
the structs that a person writes; below them the path is told as it is.

Sources: Go 1.24 encoding/json (UnmarshalTypeError), KServe v0.20.0 pkg/apis/serving/v1beta1 (component.go,
predictor.go, predictor_model.go), k8s.io/api core/v1/types.go.
"""

from __future__ import annotations

import re

from modelyard.serving.api.kserve_rules import FRAMEWORKS
from modelyard.serving.api.resources import Resource

COMPONENT_FIELDS = frozenset(
    (
        "autoScaling",
        "annotations",
        "batcher",
        "canaryTrafficPercent",
        "containerConcurrency",
        "deploymentStrategy",
        "labels",
        "logger",
        "maxReplicas",
        "minReplicas",
        "scaleMetric",
        "scaleMetricType",
        "scaleTarget",
        "timeout",
    )
)
"""Of KServe's ComponentExtensionSpec."""
EXTENSION_FIELDS = frozenset(("storageUri", "runtimeVersion", "protocolVersion", "storage"))
"""Of KServe's PredictorExtensionSpec; its other fields are those of a container."""
OWN_FIELDS = {
    "predictor": frozenset((*FRAMEWORKS, "model", "workerSpec", "storageUris", "storageContainerName")),
    "model": frozenset(("modelFormat", "runtime")),
}
STRUCTS = {"spec": "InferenceServiceSpec", "predictor": "PredictorSpec", "model": "ModelSpec", "metadata": "ObjectMeta"}
STRUCTS |= {"modelFormat": "ModelFormat", "logger": "LoggerSpec", "batcher": "Batcher", "secrets": "ObjectReference"}
STRUCTS |= {"imagePullSecrets": "LocalObjectReference", "ownerReferences": "OwnerReference"}


def go_path(resource: Resource, path: str) -> str:
    """The path as Go tells it; places in lists are not told there, nor keys of maps."""
    parts = re.sub(r"\[\d+\]", "", path).split(".")
    if parts[0] == "metadata":
        # A custom object's metadata is decoded by itself.
        inner = parts[1:] if resource.group else parts
        return f"{_struct(parts, resource.kind)}.{'.'.join(_without_keys(inner))}"
    told = []
    for before, part in zip(["", *parts], parts, strict=False):
        told += [*_embedded(before, part), part]
    return f"{_struct(parts, resource.kind)}.{'.'.join(_without_keys(told))}"


def _struct(parts: list[str], kind: str) -> str:
    """The innermost struct that has the last field."""
    known = [STRUCTS[part] for part in parts[:-1] if part in STRUCTS]
    return known[-1] if known else kind


def _embedded(holder: str, part: str) -> tuple[str, ...]:
    """The structs that lie between a struct and a field that is written in it."""
    if holder not in OWN_FIELDS or part in OWN_FIELDS[holder]:
        return ()
    if holder == "predictor":
        return ("ComponentExtensionSpec",) if part in COMPONENT_FIELDS else ("PodSpec",)
    return ("PredictorExtensionSpec",) if part in EXTENSION_FIELDS else ("PredictorExtensionSpec", "Container")


def _without_keys(parts: list[str]) -> list[str]:
    for index, part in enumerate(parts):
        if part in ("labels", "annotations", "data", "stringData", "binaryData"):
            return parts[: index + 1]
    return parts
