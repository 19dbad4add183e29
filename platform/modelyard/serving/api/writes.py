"""The writing verbs: create, replace, patch and server-side apply, of objects and of their status."""

from __future__ import annotations

import secrets
from typing import Any

from starlette.responses import Response

from modelyard.serving import store as stored
from modelyard.serving.api import bodies, errors, managed_fields, schemas
from modelyard.serving.api.admission import admit, admit_config, admit_status
from modelyard.serving.api.calls import (
    Call,
    answer,
    expect_namespace,
    expect_precondition,
    take_name,
    take_namespace,
)
from modelyard.serving.api.deletions import expect_no_new_finalizers
from modelyard.serving.api.managed_fields import APPLY, UPDATE, Writer
from modelyard.serving.api.namespaces import complete_namespace
from modelyard.serving.api.patches import APPLY_PATCH, apply_patch, patch_types
from modelyard.serving.api.query import flag, is_dry_run
from modelyard.serving.api.resources import INFERENCESERVICES, NAMESPACES
from modelyard.serving.scaling.config import ScalingConfig
from modelyard.serving.store import timestamp

Object = dict[str, Any]

SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""Letters of generated names, as Kubernetes' (no vowels, so no words)."""


def create(call: Call) -> Response:
    """POST of an object; a status is dropped, a generateName becomes a name."""
    obj = bodies.decode_object(call.body, call.content_type, call.resource)
    meta = obj["metadata"] = dict(obj["metadata"])
    take_namespace(call, meta)
    prefix = meta.get("generateName")
    if isinstance(prefix, str) and prefix and not meta.get("name"):
        meta["name"] = prefix + "".join(secrets.choice(SUFFIX_LETTERS) for _ in range(5))
    return _create(call, obj, call.writer(UPDATE))


def replace(call: Call) -> Response:
    """PUT of an object: needs the resourceVersion that the writer has read."""
    obj = bodies.decode_object(call.body, call.content_type, call.resource)
    take_name(call, obj)
    if not obj["metadata"].get("resourceVersion"):
        told = "Invalid value: 0: must be specified for an update"
        cause = {"reason": "FieldValueInvalid", "message": told, "field": "metadata.resourceVersion"}
        raise errors.invalid_update(call.resource, call.name, cause)
    present = call.present()
    expect_precondition(call, "uid", obj["metadata"].get("uid"), present)
    return _write(call, obj, present, call.writer(UPDATE))


def patch(call: Call) -> Response:
    """PATCH of an object: merge, JSON, strategic merge, or server-side apply."""
    if bodies.media_type(call.content_type) == APPLY_PATCH:
        return _apply(call)
    present = call.present()
    return _write(call, _patched(call, present), present, call.writer(UPDATE))


def replace_status(call: Call) -> Response:
    """PUT of the status subresource: everything but the status is ignored."""
    obj = bodies.decode_object(call.body, call.content_type, call.resource)
    take_name(call, obj)
    return _write_status(call, obj, call.present())


def patch_status(call: Call) -> Response:
    """PATCH of the status subresource: everything but the status is ignored."""
    present = call.present()
    if bodies.media_type(call.content_type) == APPLY_PATCH:
        return _apply_status(call, present)
    return _write_status(call, _patched(call, present), present)


def _create(call: Call, obj: Object, writer: Writer) -> Response:
    resource, dry_run = call.resource, is_dry_run(call.query)
    if resource.has_status:
        obj.pop("status", None)
    if resource.namespaced:
        expect_namespace(call)
    for key in ("deletionTimestamp", "deletionGracePeriodSeconds"):
        obj["metadata"].pop(key, None)
    made = call.store.create(call.stored, _admitted(call, obj, None, writer), dry_run=dry_run)
    if resource is NAMESPACES and not dry_run:
        complete_namespace(call.store, made["metadata"]["name"])
    return answer(call.encoder.one(made), 201, call.warnings)


def _write(call: Call, obj: Object, present: Object, writer: Writer) -> Response:
    expected = obj["metadata"].get("resourceVersion")
    if call.resource.has_status:
        obj = {key: value for key, value in obj.items() if key != "status"}
    expect_no_new_finalizers(call.resource, obj, present)
    admitted = _admitted(call, obj, present, writer)
    dry_run = is_dry_run(call.query)
    made = call.store.replace(call.stored, admitted, expected_version=expected, dry_run=dry_run)
    return answer(call.encoder.one(made), 200, call.warnings)


def _write_status(call: Call, obj: Object, present: Object) -> Response:
    status = admit_status(call.resource, obj)
    writer, now = call.writer(UPDATE, "status"), timestamp(call.store.time())
    schema = schemas.schema_of(call.resource.plural)
    owned = managed_fields.after_update(present, {**present, "status": status}, schema, writer, now)
    return _store_status(call, owned, obj["metadata"].get("resourceVersion"))


def _store_status(call: Call, owned: Object, expected: str | None) -> Response:
    made = call.store.update_status(
        call.stored,
        call.namespace or "",
        call.name,
        owned.get("status", {}),
        managed=owned["metadata"].get("managedFields"),
        expected_version=expected,
        dry_run=is_dry_run(call.query),
    )
    return answer(call.encoder.one(made))


def _admitted(call: Call, obj: Object, before: Object | None, writer: Writer) -> Object:
    """The object as it is to be stored, with its owners after this write; those of an apply stand in it already."""
    schema, now = schemas.schema_of(call.resource.plural), timestamp(call.store.time())
    compared = before
    if before is not None and call.resource.has_status:
        compared = {key: value for key, value in before.items() if key != "status"}

    def own(made: Object) -> Object:
        if writer.operation == APPLY:
            return made
        return managed_fields.after_update(compared, made, schema, writer, now)

    asked = call.query.get("fieldValidation", "")
    settings = ScalingConfig(call.store).read() if call.resource is INFERENCESERVICES else None
    made, warnings = admit(call.resource, obj, field_validation=asked, before=before, own=own, autoscaler=settings)
    call.warnings.extend(warnings)
    return made


def _patched(call: Call, present: Object) -> Object:
    patch_type = bodies.media_type(call.content_type)
    decoded = bodies.decode(call.body, call.content_type, patch_types(call.resource), call.resource.kind)
    if flag(call.query, "force"):
        told = "Forbidden: may not be specified for non-apply patch"
        cause = {"reason": "FieldValueForbidden", "message": told, "field": "force"}
        raise errors.invalid("PatchOptions", "meta.k8s.io", "", [cause])
    patched = apply_patch(patch_type, present, decoded, schemas.schema_of(call.resource.plural))
    patched = bodies.checked(patched, call.resource)
    take_name(call, patched)
    return patched


def _apply(call: Call) -> Response:
    config = _config(call)
    writer = call.writer(APPLY)
    if call.resource.has_status:
        config.pop("status", None)
    try:
        present = call.present()
    except stored.NotFound:
        if uid := config["metadata"].get("uid"):
            why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            raise errors.conflict(call.resource, call.name, why) from None
        names = {key: value for key, value in config["metadata"].items() if key in ("name", "namespace")}
        empty = {"apiVersion": call.resource.api_version, "kind": call.resource.kind, "metadata": names}
        return _create(call, _applied(call, empty, config, writer), writer)
    expect_precondition(call, "uid", config["metadata"].get("uid"), present)
    made = _applied(call, present, config, writer)
    made["metadata"] = {**made["metadata"], "resourceVersion": config["metadata"].get("resourceVersion")}
    return _write(call, made, present, writer)


def _apply_status(call: Call, present: Object) -> Response:
    config = _config(call)
    meta = {key: config["metadata"][key] for key in ("name", "namespace") if key in config["metadata"]}
    config = {**config, "metadata": meta, "status": admit_status(call.resource, config)}
    config = {key: config[key] for key in ("apiVersion", "kind", "metadata", "status")}
    made = _applied(call, present, config, call.writer(APPLY, "status"))
    return _store_status(call, made, None)


def _applied(call: Call, live: Object, config: Object, writer: Writer) -> Object:
    schema, now = schemas.schema_of(call.resource.plural), timestamp(call.store.time())
    try:
        return managed_fields.apply(live, config, schema, writer, now, force=flag(call.query, "force"))
    except managed_fields.Conflicts as conflicts:
        raise conflicts.as_error() from None


def _config(call: Call) -> Object:
    """The body of an apply, without fields that are null.

    Raises:
        ApiError: 422 without fieldManager; 400, it is no configuration of the object that the path names.
    """
    if not call.query.get("fieldManager"):
        told = "Required value: is required for apply patch"
        cause = {"reason": "FieldValueRequired", "message": told, "field": "fieldManager"}
        raise errors.invalid("PatchOptions", "meta.k8s.io", "", [cause])
    decoded = bodies.decode(call.body, call.content_type, patch_types(call.resource), call.resource.kind)
    if not isinstance(decoded, dict):
        raise errors.bad_request("error decoding YAML: the body of an apply must be an object")
    for key in ("apiVersion", "kind"):
        if not decoded.get(key):
            raise errors.bad_request(f"Object '{key}' is missing in the body of an apply")
    config = bodies.checked(decoded, call.resource)
    if config["metadata"].get("managedFields"):
        raise errors.bad_request("metadata.managedFields must be nil")
    take_name(call, config)
    return admit_config(call.resource, config)
