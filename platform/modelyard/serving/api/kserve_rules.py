"""KServe's webhooks as pure functions: the defaulter and the validator of InferenceService.

Sources: KServe v0.20.0 pkg/apis/serving/v1beta1 (inference_service_defaults.go, inference_service_validation.go), and
answers recorded from a cluster. Better than upstream where it is wrong: refused are a predictor without any model (its
defaulter panics), a model without a format (it never becomes ready) and canaryTrafficPercent outside 0-100.
"""

from __future__ import annotations

import re
from typing import Any

from modelyard.serving.api import errors
from modelyard.serving.api.errors import ApiError

Object = dict[str, Any]

FRAMEWORKS = {
    "sklearn": "SKLearn",
    "xgboost": "XGBoost",
    "tensorflow": "Tensorflow",
    "pytorch": "PyTorch",
    "triton": "Triton",
    "onnx": "ONNX",
    "huggingface": "HuggingFace",
    "pmml": "PMML",
    "lightgbm": "LightGBM",
    "paddle": "Paddle",
}
"""Predictor fields of the old form, which become `model`, and their names in messages."""
EXACTLY_ONE = ", ".join(
    ["Name", *FRAMEWORKS.values(), "Model", "StorageUris", "StorageContainerName", "WorkerSpec", "PodSpec"]
)
NAME_PATTERN = "[a-z]([-a-z0-9]*[a-z0-9])?"
NAME_LENGTH = 63 - len("-predictor-00001")
"""A revision's name is a label of a host name, which has 63 characters at most (RFC 1123)."""
OWN_FINALIZER = "inferenceservice.finalizers"
CONTAINER_NAME = "kserve-container"
CONTAINER_RESOURCES = {"limits": {"cpu": "1", "memory": "2Gi"}, "requests": {"cpu": "50m", "memory": "128Mi"}}
"""As recorded; a cluster sets them in the ConfigMap inferenceservice-config."""


def with_defaults(obj: Object) -> Object:
    """The InferenceService as KServe's defaulter would store it: a new object, parts may be shared with the old one."""
    spec = obj.get("spec", {})
    if "predictor" not in spec:
        return obj
    predictor = spec["predictor"]
    predictor = _containers_with_defaults(_with_model(predictor))
    made = without_own_finalizer({**obj, "spec": {**spec, "predictor": predictor}})
    model_format = predictor.get("model", {}).get("modelFormat", {}).get("name")
    if model_format:
        meta = made["metadata"]
        made["metadata"] = {**meta, "annotations": {**meta.get("annotations", {}), "modelFormat": model_format}}
    return made


def without_own_finalizer(obj: Object) -> Object:
    """The object without the finalizer of KServe's controllers.

    It comes with manifests read from a cluster; here nobody waits for it, and a delete would never end.
    """
    meta = obj["metadata"]
    if OWN_FINALIZER not in (meta.get("finalizers") or []):
        return obj
    kept = [held for held in meta["finalizers"] if held != OWN_FINALIZER]
    meta = {key: value for key, value in meta.items() if key != "finalizers"}
    return {**obj, "metadata": {**meta, "finalizers": kept} if kept else meta}


def find_refusal(obj: Object) -> ApiError | None:
    """Why the validator refuses the InferenceService, or None."""
    name, predictor = obj["metadata"]["name"], obj.get("spec", {}).get("predictor", {})
    chosen = [kind for kind in FRAMEWORKS if kind in predictor]
    chosen += ["model"] if "model" in predictor else []
    chosen += ["containers"] if predictor.get("containers") and "model" not in predictor else []
    if len(chosen) != 1:
        return errors.denied(f"exactly one of [{EXACTLY_ONE}] must be specified in PredictorSpec")
    for told in (_name_problem(name), _scale_problem(predictor), _logger_problem(predictor)):
        if told:
            return errors.denied(told)
    cause = _value_problem(predictor)
    return errors.invalid("InferenceService", "serving.kserve.io", name, [cause]) if cause else None


def _with_model(predictor: Object) -> Object:
    frameworks = [kind for kind in FRAMEWORKS if kind in predictor]
    if len(frameworks) == 1 and "model" not in predictor:
        kind = frameworks[0]
        predictor = {key: value for key, value in predictor.items() if key != kind} | {
            "model": {"modelFormat": {"name": kind}, **predictor[kind]}
        }
    if "model" in predictor:
        # KServe writes its Go struct back, and these two fields have no omitempty.
        predictor = {**predictor, "model": {"name": "", "resources": {}, **predictor["model"]}}
    return predictor


def _containers_with_defaults(predictor: Object) -> Object:
    containers = predictor.get("containers")
    if not containers or "model" in predictor:
        return predictor
    first = dict(containers[0])
    if len(containers) == 1:
        first.setdefault("name", CONTAINER_NAME)
    resources = first.get("resources", {})
    first["resources"] = {
        **resources,
        **{part: {**defaults, **resources.get(part, {})} for part, defaults in CONTAINER_RESOURCES.items()},
    }
    return {**predictor, "containers": [first, *containers[1:]]}


def _name_problem(name: str) -> str:
    if not re.fullmatch(NAME_PATTERN, name):
        return (
            f'the InferenceService "{name}" is invalid: a InferenceService name must consist of lower case alphanumeric'
            ' characters or \'-\', and must start with alphabetical character. (e.g. "my-name" or "abc-123",'
            f" regex used for validation is '{NAME_PATTERN}')"
        )
    if len(name) > NAME_LENGTH:
        return f'the InferenceService "{name}" is invalid: a name may have {NAME_LENGTH} characters, not {len(name)}'
    return ""


def _scale_problem(predictor: Object) -> str:
    least, most = predictor.get("minReplicas", 0), predictor.get("maxReplicas", 0)
    if least < 0:
        return "'MinReplicas' cannot be less than 0"
    if most < 0:
        return "'MaxReplicas' cannot be less than 0"
    if most and least > most:
        return "'MinReplicas' cannot be greater than MaxReplicas"
    if predictor.get("containerConcurrency", 0) < 0:
        return "parallelism cannot be less than 0"
    return ""


def _logger_problem(predictor: Object) -> str:
    logger = predictor.get("logger")
    return "invalid logger type" if logger is not None and not logger.get("mode") else ""


def _value_problem(predictor: Object) -> Object | None:
    if "model" in predictor and not predictor["model"].get("modelFormat", {}).get("name"):
        field = "spec.predictor.model.modelFormat.name"
        return {"reason": "FieldValueRequired", "message": "Required value", "field": field}
    percent = predictor.get("canaryTrafficPercent", 0)
    if not 0 <= percent <= 100:
        told = f"Invalid value: {percent}: must be from 0 to 100"
        return {"reason": "FieldValueInvalid", "message": told, "field": "spec.predictor.canaryTrafficPercent"}
    return None
