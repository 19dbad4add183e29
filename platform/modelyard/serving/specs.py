"""What a replica of a revision must be, or why no replica of it can be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelyard.serving.models import SCHEMES
from modelyard.serving.predictors import FORMATS
from modelyard.serving.replica_records import ReplicaSpec

if TYPE_CHECKING:
    from modelyard.serving.revisions import Revision

Object = dict[str, Any]

DIGEST_ANNOTATION = "modelyard.dev/model-digest"


@dataclass(frozen=True)
class Refusal:
    """Why a revision cannot be served at all."""

    reason: str
    message: str


def decide_spec(revision: Revision, *, require_registered: bool) -> ReplicaSpec | Refusal:
    """What a replica of this revision must be; its name is still empty."""
    model = model_of(revision.predictor)
    if model is None:
        return Refusal("InvalidPredictorSpec", "spec.predictor.model is missing: this yard serves model formats only")
    model_format = (model.get("modelFormat") or {}).get("name", "")
    uri = model.get("storageUri") or ""
    digest = revision.annotations.get(DIGEST_ANNOTATION)
    if model_format not in FORMATS:
        return Refusal(
            "NoSupportingRuntime",
            f"no runtime serves model format {model_format!r}: spec.predictor.model.modelFormat.name must be one of "
            + ", ".join(FORMATS),
        )
    if not uri.startswith(SCHEMES):
        return Refusal(
            "InvalidPredictorSpec",
            f"spec.predictor.model.storageUri is {uri!r}: must begin with {' or '.join(SCHEMES)}",
        )
    if require_registered and not digest:
        return Refusal(
            "ModelNotRegistered",
            f"this yard serves registered models only: annotation {DIGEST_ANNOTATION} is missing "
            "(setting require_registered_models)",
        )
    return ReplicaSpec(
        name="",
        namespace=revision.namespace,
        inferenceservice=revision.inferenceservice,
        revision=revision.name,
        model_format=model_format,
        storage_uri=uri,
        digest=digest,
        logger=logger_of(revision),
        container_concurrency=int(revision.predictor.get("containerConcurrency") or 0),
    )


def model_of(predictor: Object) -> Object | None:
    """The predictor's ModelSpec; a legacy field such as `sklearn:` counts as one."""
    if predictor.get("model"):
        return predictor["model"]
    for name in FORMATS:
        if predictor.get(name):
            return {**predictor[name], "modelFormat": {"name": name}}
    return None


def logger_of(revision: Revision) -> Object | None:
    """The LoggerSpec, with `annotations` = the named annotations of this revision where it names any."""
    logger = revision.predictor.get("logger")
    if not logger or not logger.get("url"):
        return None
    named = logger.get("metadataAnnotations")
    held = {**logger, "mode": logger.get("mode") or "all"}
    if named is not None:
        held["annotations"] = {key: revision.annotations[key] for key in named if key in revision.annotations}
    return held
