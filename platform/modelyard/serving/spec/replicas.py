"""What a replica of a revision must be, or why no replica of it can be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from modelyard.serving.models.cache import SCHEMES
from modelyard.serving.replicas.records import ReplicaSpec
from modelyard.serving.spec.arguments import BadArgument, parse_arguments
from modelyard.serving.spec.runtimes import decide_runtime, protocol_of
from modelyard.serving.spec.unserved import OLD_FORMATS, Refusal, find_unserved

if TYPE_CHECKING:
    from modelyard.serving.controller.revisions import Revision

Object = dict[str, Any]

DIGEST_ANNOTATION = "modelyard.dev/model-digest"
UNKNOWN_SCHEME = "<scheme-placeholder>://"
"""KServe's word for the part of an address that the storage Secret has."""
OWN_VARIABLES = "MODELYARD_"
REFERENCE = re.compile(r"\$?\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")
__all__ = ["DIGEST_ANNOTATION", "Refusal", "decide_spec", "find_unserved", "logger_of", "model_of"]


def decide_spec(revision: Revision, *, require_registered: bool) -> ReplicaSpec | Refusal:
    """What a replica of this revision must be; its name is still empty."""
    try:
        return _decide_spec(revision, require_registered)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # One object of a shape that nobody thought of must not keep the others from being served.
        return _invalid(f"spec.predictor cannot be read: {type(error).__name__}: {error}")


def _decide_spec(revision: Revision, require_registered: bool) -> ReplicaSpec | Refusal:
    model = model_of(revision.predictor)
    if unserved := find_unserved({"predictor": revision.predictor}, revision.annotations):
        return unserved
    if model is None:
        return Refusal("InvalidPredictorSpec", "spec.predictor.model is missing: this yard serves model formats only")
    digest = revision.annotations.get(DIGEST_ANNOTATION)
    problem = decide_runtime(model) or _find_problem(model, revision.inferenceservice)
    if problem:
        return problem
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
        model_format=model["modelFormat"]["name"],
        storage_uri=uri_of(model),
        digest=digest,
        logger=logger_of(revision),
        container_concurrency=int(revision.predictor.get("containerConcurrency") or 0),
        env=environment_of(model.get("env") or []),
        args=list(model.get("args") or []),
        protocol=protocol_of(model),
        timeout_s=int(revision.predictor.get("timeout") or 0),
    )


def model_of(predictor: Object) -> Object | None:
    """The predictor's ModelSpec; a field of the old form such as `sklearn:` counts as one."""
    if predictor.get("model"):
        return predictor["model"]
    for name in OLD_FORMATS:
        if predictor.get(name):
            return {**predictor[name], "modelFormat": {"name": name}}
    return None


def uri_of(model: Object) -> str:
    """Where the model lies; with `storage` its Secret still has to say the rest (`storage_credentials`)."""
    if model.get("storageUri"):
        return model["storageUri"]
    path = (model.get("storage") or {}).get("path") or ""
    return f"{UNKNOWN_SCHEME}{path.lstrip('/')}"


def environment_of(variables: Sequence[Object]) -> dict[str, str]:
    """Variables by name; `$(NAME)` stands for an earlier one and `$$(NAME)` for itself, as in Kubernetes."""
    held: dict[str, str] = {}
    for variable in variables:
        held[variable["name"]] = REFERENCE.sub(lambda found: _expanded(found, held), variable.get("value") or "")
    return held


def _expanded(found: re.Match[str], held: dict[str, str]) -> str:
    if found[0].startswith("$$"):
        return found[0][1:]
    return held.get(found[1], found[0])


def _find_problem(model: Object, inferenceservice: str) -> Refusal | None:
    storage, uri = model.get("storage"), model.get("storageUri") or ""
    if storage and uri:
        return _invalid("spec.predictor.model has storageUri and storage: it must have one of them")
    if storage and not storage.get("path"):
        return _invalid("spec.predictor.model.storage.path is missing")
    if not storage and not uri.startswith(SCHEMES):
        return _invalid(f"spec.predictor.model.storageUri is {uri!r}: must begin with one of {', '.join(SCHEMES)}")
    for variable in model.get("env") or []:
        if variable.get("name", "").startswith(OWN_VARIABLES):
            return _invalid(f"spec.predictor.model.env names {variable['name']}: {OWN_VARIABLES}* are the yard's own")
    try:
        parse_arguments(model.get("args") or [], model_name=inferenceservice)
    except BadArgument as error:
        return _invalid(f"spec.predictor.model.args: {error}")
    return None


def _invalid(message: str) -> Refusal:
    return Refusal("InvalidPredictorSpec", message)


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
