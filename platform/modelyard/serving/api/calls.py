"""One request for one kind, and what every verb asks of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from modelyard.serving import store as stored
from modelyard.serving.api import errors
from modelyard.serving.api.managed_fields import MANAGER_LENGTH, Writer, manager_of
from modelyard.serving.api.query import JSON, representation
from modelyard.serving.api.representations import Encoder
from modelyard.serving.api.resources import NAMESPACES, Resource
from modelyard.serving.api.selectors import Selection, parse_fields, parse_labels
from modelyard.serving.store import Store

Object = dict[str, Any]

MOST_BYTES = 3 * 1024 * 1024
"""Of a body, as Kubernetes has it."""
WARNINGS = 20
"""Warnings in an answer; Python's http.client refuses an answer of more than 100 headers."""


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

    @property
    def stored(self) -> str:
        """The kind's name in the store."""
        return self.resource.stored or ""

    def present(self) -> Object:
        """The object that the path names."""
        if self.resource.stored is None:
            raise errors.not_found(self.resource, self.name)
        return self.store.get(self.resource.stored, self.namespace or "", self.name)

    def selection(self) -> Selection:
        """What the label and field selectors select."""
        labels = parse_labels(self.query.get("labelSelector", ""))
        return Selection(labels, parse_fields(self.query.get("fieldSelector", ""), self.resource))

    def listed(self) -> tuple[list[Object], int]:
        """Every object of the collection, and the version of this state."""
        if self.resource.stored is None:
            return [], self.store.version
        return self.store.list(self.resource.stored, self.namespace)

    def is_plain_list(self, selection: Selection) -> bool:
        """Whether the answer is every object as it is stored."""
        return self.encoder.form == JSON and selection == Selection() and self.resource.stored is not None

    def writer(self, operation: str, subresource: str = "") -> Writer:
        """Who writes, as managedFields name it.

        Raises:
            ApiError: 422, the field manager is no name.
        """
        asked = self.query.get("fieldManager", "")
        if len(asked.encode()) > MANAGER_LENGTH:
            _refuse_manager(f"Too long: may not be more than {MANAGER_LENGTH} bytes", "FieldValueTooLong")
        if not asked.isprintable():
            _refuse_manager(f'Invalid value: "{asked}": should only contain printable characters', "FieldValueInvalid")
        manager = manager_of(asked, self.headers.get("user-agent", ""))
        return Writer(manager, operation, self.resource.api_version, subresource)


async def read_call(request: Request, store: Store, resource: Resource) -> Call:
    """The request as a Call.

    Raises:
        ApiError: 413, the body is larger than a Kubernetes API takes.
    """
    path = request.path_params
    return Call(
        store=store,
        resource=resource,
        namespace=path.get("namespace"),
        name=path.get("name", ""),
        query=request.query_params,
        headers=request.headers,
        body=await read_body(request),
    )


async def read_body(request: Request) -> bytes:
    """The body of a request, if it is not too large.

    Raises:
        ApiError: 413.
    """
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MOST_BYTES:
            raise errors.too_large(MOST_BYTES)
        parts.append(part)
    return b"".join(parts)


def answer(body: Object, code: int = 200, warnings: list[str] | None = None) -> Response:
    """A JSON answer, with a Warning header for each warning (kubectl prints them)."""
    response = Response(orjson.dumps(body), code, media_type="application/json")
    for warning in (warnings or [])[:WARNINGS]:
        response.headers.append("Warning", f"299 - {json.dumps(warning)}")
    return response


def expect_precondition(call: Call, key: str, wanted: Any, present: Object) -> None:
    """Refuse where the object is not the one that the client means.

    Raises:
        ApiError: 409.
    """
    held = present["metadata"].get(key)
    if wanted and wanted != held:
        told = {"uid": "UID", "resourceVersion": "ResourceVersion"}.get(key, key)
        why = f"Precondition failed: {told} in precondition: {wanted}, {told} in object meta: {held}"
        raise errors.conflict(call.resource, call.name, why)


def take_namespace(call: Call, meta: Object) -> None:
    """Fill the namespace of the path into metadata.

    Raises:
        ApiError: 400, metadata has another.
    """
    if not call.resource.namespaced:
        meta.pop("namespace", None)
        return
    if meta.setdefault("namespace", call.namespace) != call.namespace:
        raise errors.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


def take_name(call: Call, obj: Object) -> None:
    """Fill name and namespace of the path into a copy of the object's metadata.

    Raises:
        ApiError: 400, metadata has others.
    """
    meta = obj["metadata"] = dict(obj["metadata"])
    take_namespace(call, meta)
    if meta.setdefault("name", call.name) != call.name:
        raise errors.bad_request(
            f"the name of the object ({meta['name']}) does not match the name on the URL ({call.name})"
        )


def expect_namespace(call: Call) -> None:
    """Refuse to make something in a namespace that is not there.

    Raises:
        ApiError: 404.
    """
    try:
        call.store.get(NAMESPACES.stored or "", "", call.namespace or "")
    except stored.NotFound as error:
        raise errors.not_found(NAMESPACES, call.namespace or "") from error


def _refuse_manager(message: str, reason: str) -> None:
    cause = {"reason": reason, "message": message, "field": "fieldManager"}
    raise errors.invalid("PatchOptions", "meta.k8s.io", "", [cause])
