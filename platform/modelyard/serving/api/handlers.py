"""The verbs: what a request does to the store and what it answers."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from modelyard.serving import store as stored
from modelyard.serving.api import bodies, errors, schemas, watch
from modelyard.serving.api.admission import admit, admit_status
from modelyard.serving.api.namespaces import complete_namespace, expect_deletable, plan_emptying, terminating
from modelyard.serving.api.patches import apply_patch, patch_types
from modelyard.serving.api.query import flag, is_dry_run, representation, watch_options
from modelyard.serving.api.representations import Encoder
from modelyard.serving.api.resources import NAMESPACES, Resource
from modelyard.serving.api.selectors import Selection, parse_fields, parse_labels
from modelyard.serving.store import Store

Object = dict[str, Any]

WARNINGS = 20
"""Warnings in an answer; Python's http.client refuses an answer of more than 100 headers."""
SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""Letters of generated names, as Kubernetes' (no vowels, so no words)."""


@dataclass(frozen=True)
class Call:
    """One request for one kind."""

    store: Store
    resource: Resource
    namespace: str | None
    name: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    warnings: list[str] = field(default_factory=list)

    @property
    def encoder(self) -> Encoder:
        """Writes the answer in the form that is asked for."""
        form = representation(self.headers.get("accept", ""))
        return Encoder(self.resource, form, self.query.get("includeObject") or "Metadata")

    @property
    def content_type(self) -> str | None:
        """The body's media type as sent."""
        return self.headers.get("content-type")

    def present(self) -> Object:
        """The object that the path names."""
        if self.resource.stored is None:
            raise errors.not_found(self.resource, self.name)
        return self.store.get(self.resource.stored, self.namespace or "", self.name)


async def read_call(request: Request, store: Store, resource: Resource) -> Call:
    """The request as a Call."""
    path = request.path_params
    return Call(
        store=store,
        resource=resource,
        namespace=path.get("namespace"),
        name=path.get("name", ""),
        query=request.query_params,
        headers=request.headers,
        body=await request.body(),
    )


def answer(body: Object, code: int = 200, warnings: list[str] | None = None) -> Response:
    """A JSON answer, with a Warning header for each warning (kubectl prints them)."""
    response = Response(orjson.dumps(body), code, media_type="application/json")
    for warning in (warnings or [])[:WARNINGS]:
        response.headers.append("Warning", f"299 - {json.dumps(warning)}")
    return response


def list_or_watch(call: Call) -> Response:
    """GET of a collection."""
    selection = _selection(call)
    if flag(call.query, "watch"):
        watched = watch.Watched(call.resource.stored or "", call.namespace, selection, call.encoder)
        lines = watch.stream(call.store, watched, watch_options(call.query))
        return StreamingResponse(lines, media_type="application/json")
    items, version = _list(call)
    return answer(call.encoder.many([item for item in items if selection.matches(item)], version))


def get(call: Call) -> Response:
    """GET of an object."""
    return answer(call.encoder.one(call.present()))


def create(call: Call) -> Response:
    """POST of an object; a status is dropped, a generateName becomes a name."""
    resource, obj = call.resource, bodies.decode_object(call.body, call.content_type, call.resource)
    meta = obj["metadata"] = dict(obj["metadata"])
    _take_namespace(call, meta)
    prefix = meta.get("generateName")
    if isinstance(prefix, str) and prefix and not meta.get("name"):
        meta["name"] = prefix + "".join(secrets.choice(SUFFIX_LETTERS) for _ in range(5))
    if resource.has_status:
        obj.pop("status", None)
    if resource.namespaced:
        _expect_namespace(call)
    dry_run = is_dry_run(call.query)
    made = call.store.create(resource.stored or "", _admitted(call, obj), dry_run=dry_run)
    if resource is NAMESPACES and not dry_run:
        complete_namespace(call.store, made["metadata"]["name"])
    return answer(call.encoder.one(made), 201, call.warnings)


def replace(call: Call) -> Response:
    """PUT of an object: needs the resourceVersion that the writer has read."""
    obj = bodies.decode_object(call.body, call.content_type, call.resource)
    _take_name(call, obj)
    if not obj["metadata"].get("resourceVersion"):
        told = "Invalid value: 0: must be specified for an update"
        cause = {"reason": "FieldValueInvalid", "message": told, "field": "metadata.resourceVersion"}
        raise errors.invalid_update(call.resource, call.name, cause)
    _expect_precondition(call, "uid", obj["metadata"].get("uid"), call.present())
    return _write(call, obj)


def patch(call: Call) -> Response:
    """PATCH of an object, merge or JSON."""
    return _write(call, _patched(call, call.present()))


def replace_status(call: Call) -> Response:
    """PUT of the status subresource: everything but the status is ignored."""
    obj = bodies.decode_object(call.body, call.content_type, call.resource)
    _take_name(call, obj)
    return _write_status(call, obj)


def patch_status(call: Call) -> Response:
    """PATCH of the status subresource: everything but the status is ignored."""
    return _write_status(call, _patched(call, call.present()))


def delete(call: Call) -> Response:
    """DELETE of an object; dryRun and preconditions may stand in the body (DeleteOptions)."""
    present = call.present()
    options = _delete_options(call)
    for key, value in (options.get("preconditions") or {}).items():
        _expect_precondition(call, key, value, present)
    dry_run = is_dry_run(call.query, options)
    if call.resource is NAMESPACES:
        expect_deletable(call.name)
        if not dry_run:
            call.store.delete_all([*plan_emptying(call.store, call.name), (NAMESPACES.stored or "", "", call.name)])
        return answer(call.encoder.one(terminating(present, call.store.time())))
    call.store.delete(call.resource.stored or "", call.namespace or "", call.name, dry_run=dry_run)
    details = {"name": call.name, "group": call.resource.group, "kind": call.resource.plural}
    details["uid"] = present["metadata"]["uid"]
    return answer({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})


def delete_collection(call: Call) -> Response:
    """DELETE of a collection: everything that the selectors select."""
    selection = _selection(call)
    dry_run = is_dry_run(call.query, _delete_options(call))
    items, version = _list(call)
    doomed = [item for item in items if selection.matches(item)]
    keys = [
        (call.resource.stored or "", item["metadata"].get("namespace", ""), item["metadata"]["name"]) for item in doomed
    ]
    if not dry_run:
        call.store.delete_all(keys)
    return answer(call.encoder.many(doomed, version))


def _selection(call: Call) -> Selection:
    labels = parse_labels(call.query.get("labelSelector", ""))
    return Selection(labels, parse_fields(call.query.get("fieldSelector", ""), call.resource))


def _list(call: Call) -> tuple[list[Object], int]:
    if call.resource.stored is None:
        return [], call.store.version
    return call.store.list(call.resource.stored, call.namespace)


def _patched(call: Call, present: Object) -> Object:
    patch_type = bodies.media_type(call.content_type)
    decoded = bodies.decode(call.body, call.content_type, patch_types(call.resource), call.resource.kind)
    patched = bodies.checked(
        apply_patch(patch_type, present, decoded, schemas.schema_of(call.resource.plural)), call.resource
    )
    _take_name(call, patched)
    return patched


def _admitted(call: Call, obj: Object, before: Object | None = None) -> Object:
    made, warnings = admit(call.resource, obj, field_validation=call.query.get("fieldValidation", ""), before=before)
    call.warnings.extend(warnings)
    return made


def _write(call: Call, obj: Object) -> Response:
    expected = obj["metadata"].get("resourceVersion")
    if call.resource.has_status:
        obj = {key: value for key, value in obj.items() if key != "status"}
    made = call.store.replace(
        call.resource.stored or "",
        _admitted(call, obj, call.present()),
        expected_version=expected,
        dry_run=is_dry_run(call.query),
    )
    return answer(call.encoder.one(made), 200, call.warnings)


def _write_status(call: Call, obj: Object) -> Response:
    made = call.store.update_status(
        call.resource.stored or "",
        call.namespace or "",
        call.name,
        admit_status(call.resource, obj),
        expected_version=obj["metadata"].get("resourceVersion"),
        dry_run=is_dry_run(call.query),
    )
    return answer(call.encoder.one(made))


def _delete_options(call: Call) -> Object:
    if call.body in (b"", b"null"):
        return {}
    decoded = bodies.decode(call.body, call.content_type, bodies.OBJECT_TYPES, "DeleteOptions")
    if not isinstance(decoded, dict) or not isinstance(decoded.get("preconditions") or {}, dict):
        raise errors.bad_request("the body of a DELETE must be DeleteOptions")
    return decoded


def _expect_precondition(call: Call, key: str, wanted: Any, present: Object) -> None:
    held = present["metadata"].get(key)
    if wanted and wanted != held:
        told = {"uid": "UID", "resourceVersion": "ResourceVersion"}.get(key, key)
        why = f"Precondition failed: {told} in precondition: {wanted}, {told} in object meta: {held}"
        raise errors.conflict(call.resource, call.name, why)


def _take_namespace(call: Call, meta: Object) -> None:
    if not call.resource.namespaced:
        meta.pop("namespace", None)
        return
    if meta.setdefault("namespace", call.namespace) != call.namespace:
        raise errors.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


def _take_name(call: Call, obj: Object) -> None:
    meta = obj["metadata"] = dict(obj["metadata"])
    _take_namespace(call, meta)
    if meta.setdefault("name", call.name) != call.name:
        raise errors.bad_request(
            f"the name of the object ({meta['name']}) does not match the name on the URL ({call.name})"
        )


def _expect_namespace(call: Call) -> None:
    try:
        call.store.get(NAMESPACES.stored or "", "", call.namespace or "")
    except stored.NotFound as error:
        raise errors.not_found(NAMESPACES, call.namespace or "") from error
