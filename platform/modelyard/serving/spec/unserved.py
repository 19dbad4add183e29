"""Which fields of an InferenceService this machine serves, which have nothing to act on here, and which need a cluster.

Every field that KServe's CRD has stands in one of the tables; a test walks the CRD and finds those that were forgotten.
Nothing that was asked for is ignored in silence: what needs a cluster refuses the InferenceService.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from modelyard.autoscaling.spec import find_unserved_class

Object = dict[str, Any]

ON_A_CLUSTER = "deploy it on a cluster: ./invoke up --on kind"
KNATIVE_MODES = frozenset({"Serverless", "Knative"})
MODE_ANNOTATION = "serving.kserve.io/deploymentMode"
AUTOSCALER_ANNOTATION = "serving.kserve.io/autoscalerClass"
OLD_FORMATS = ("sklearn", "xgboost", "lightgbm", "onnx")
"""Fields of the old form, `sklearn:` for `model:` with that format, which this machine serves."""


@dataclass(frozen=True)
class Refusal:
    """Why something cannot be served at all; `reason` is one CamelCase word."""

    reason: str
    message: str


PREDICTOR_SERVED = frozenset(
    {
        *("model", *OLD_FORMATS, "minReplicas", "maxReplicas", "scaleTarget", "scaleMetric", "containerConcurrency"),
        *("timeout", "canaryTrafficPercent", "logger", "serviceAccountName", "annotations", "labels"),
    }
)
PREDICTOR_WITHOUT_EFFECT = {
    "name": "the predictor's only name is the InferenceService's",
    "affinity": "there is one node",
    "nodeName": "there is one node",
    "nodeSelector": "there is one node",
    "tolerations": "there is one node, without taints",
    "topologySpreadConstraints": "there is one node",
    "schedulerName": "there is nothing to schedule",
    "priority": "nothing is evicted",
    "priorityClassName": "nothing is evicted",
    "preemptionPolicy": "nothing is evicted",
    "overhead": "no sandbox is started",
    "runtimeClassName": "no container is started",
    "imagePullSecrets": "no image is pulled",
    "os": "it is this machine's",
    "hostIPC": "a replica is a process of this machine",
    "hostNetwork": "a replica is a process of this machine",
    "hostPID": "a replica is a process of this machine",
    "hostUsers": "a replica is a process of yours",
    "hostname": "a replica has this machine's name",
    "hostnameOverride": "a replica has this machine's name",
    "setHostnameAsFQDN": "a replica has this machine's name",
    "subdomain": "a replica has this machine's name",
    "dnsConfig": "a replica asks this machine's resolver",
    "dnsPolicy": "a replica asks this machine's resolver",
    "enableServiceLinks": "there are no Services",
    "automountServiceAccountToken": "no token is handed to replicas",
    "serviceAccount": "KServe reads serviceAccountName",
    "securityContext": "a replica runs as you do, without a container",
    "shareProcessNamespace": "a replica is one process",
    "restartPolicy": "a replica that ends is always replaced",
    "terminationGracePeriodSeconds": "requests under way have as long as `timeout` says, as in Knative",
    "deploymentStrategy": "it is of the mode Standard; Knative shifts traffic",
    "scaleMetricType": "it is of the HorizontalPodAutoscaler",
    "resources": "those of the model count",
}
PREDICTOR_NEEDS_CLUSTER = frozenset(
    {
        *("containers", "initContainers", "volumes", "resourceClaims", "workerSpec", "batcher", "autoScaling"),
        *("storageUris", "storageContainerName", "hostAliases", "schedulingGates", "readinessGates"),
        *("activeDeadlineSeconds", "huggingface", "paddle", "pmml", "pytorch", "tensorflow", "triton"),
    }
)
MODEL_SERVED = frozenset(
    {
        *("modelFormat", "storageUri", "storage", "protocolVersion", "runtime", "args", "env"),
        "resources",  # GPUs are assigned; processor and memory of a process are this machine's
    }
)
MODEL_WITHOUT_EFFECT = {
    "name": "a replica is one process",
    "runtimeVersion": "it names a cluster's image; here the frameworks of this installation serve",
    "imagePullPolicy": "no image is pulled",
    "livenessProbe": "the warm parent sees a process end",
    "readinessProbe": "the control plane asks the model itself",
    "startupProbe": "the control plane asks the model itself",
    "ports": "each replica has a port of its own",
    "resizePolicy": "nothing is resized",
    "restartPolicy": "a replica that ends is always replaced",
    "restartPolicyRules": "a replica that ends is always replaced",
    "securityContext": "a replica runs as you do, without a container",
    "stdin": "a replica reads nothing",
    "stdinOnce": "a replica reads nothing",
    "tty": "a replica reads nothing",
    "terminationMessagePath": "the last line of the traceback is told",
    "terminationMessagePolicy": "the last line of the traceback is told",
}
MODEL_NEEDS_CLUSTER = frozenset(
    {
        *("image", "command", "workingDir", "envFrom", "lifecycle", "volumeMounts", "volumeDevices"),
        "confidential",
    }
)
LOGGER_SERVED = frozenset({"url", "mode", "metadataHeaders", "metadataAnnotations"})
LOGGER_NEEDS_CLUSTER = frozenset({"batchSize", "batchInterval", "marshallerUrl", "storage"})
SPEC_SERVED = frozenset({"predictor"})
SPEC_NEEDS_CLUSTER = frozenset({"transformer", "explainer", "canary"})
STORAGE_SERVED = frozenset({"key", "path", "parameters"})
STORAGE_WITHOUT_EFFECT = {"schemaPath": "it is of ModelMesh"}
CLUSTER_PROTOCOLS = frozenset({"grpc-v1", "grpc-v2"})


def find_unserved(spec: Object, annotations: Mapping[str, str] | None = None) -> Refusal | None:
    """What of an InferenceService's spec only a cluster serves, all of it in one message; None where nothing is.

    Args:
        spec: `spec` of the InferenceService, or its `predictor` alone under that key.
        annotations: of its metadata.
    """
    predictor = spec.get("predictor") or {}
    found = [f"spec.{field}" for field in _given(spec, SPEC_NEEDS_CLUSTER)]
    found += [f"spec.predictor.{field}" for field in _given(predictor, PREDICTOR_NEEDS_CLUSTER)]
    for kind in ("model", *OLD_FORMATS):
        found += [f"spec.predictor.{kind}.{told}" for told in _unserved_of_model(predictor.get(kind) or {})]
    logger = predictor.get("logger") or {}
    found += [f"spec.predictor.logger.{field}" for field in _given(logger, LOGGER_NEEDS_CLUSTER)]
    if predictor.get("scaleMetric") in ("cpu", "memory"):
        found.append(f"spec.predictor.scaleMetric {predictor['scaleMetric']}")
    found += _unserved_annotations({**(annotations or {}), **(predictor.get("annotations") or {})})
    told = [f"{', '.join(found)}: not served on one machine"] if found else []
    told += [other] if (other := find_unserved_class(predictor, annotations or {})) else []
    return Refusal("NeedsCluster", f"{'; '.join(told)}; {ON_A_CLUSTER}") if told else None


def _unserved_of_model(model: Object) -> Iterator[str]:
    yield from _given(model, MODEL_NEEDS_CLUSTER)
    if model.get("protocolVersion") in CLUSTER_PROTOCOLS:
        yield f"protocolVersion {model['protocolVersion']}"
    for variable in model.get("env") or []:
        if variable.get("valueFrom"):
            yield f"env[{variable.get('name')}].valueFrom"


def _unserved_annotations(annotations: Mapping[str, str]) -> Iterator[str]:
    mode, autoscaler = annotations.get(MODE_ANNOTATION), annotations.get(AUTOSCALER_ANNOTATION)
    if mode and mode not in KNATIVE_MODES:
        yield f"annotation {MODE_ANNOTATION} {mode}"
    if autoscaler:
        yield f"annotation {AUTOSCALER_ANNOTATION} {autoscaler}"


def _given(part: Object, fields: frozenset[str]) -> list[str]:
    """Fields that say something; an empty object or list is what an API server writes where nothing was said."""
    return sorted(field for field in fields if _says(part.get(field)))


def _says(value: Any) -> bool:
    if isinstance(value, dict) and set(value) <= {"enabled"}:
        return bool(value.get("enabled"))
    return value not in (None, "", [], {}, False)
