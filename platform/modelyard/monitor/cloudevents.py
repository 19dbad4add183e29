"""CloudEvents 1.0 over HTTP as KServe's logger sends them: binary mode, and the JSON modes of its batches.

Source: CloudEvents HTTP protocol binding 1.0.2 (headers `ce-*`) and KServe `pkg/logger` (extensions
`inferenceservicename`, `namespace`, `annotations` as a JSON object in a string).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

Kind = Literal["request", "response", "other"]
KINDS: dict[str, Kind] = {
    "org.kubeflow.serving.inference.request": "request",
    "org.kubeflow.serving.inference.response": "response",
}
VERSION_ANNOTATION = "modelyard.dev/model-version"
RUN_ANNOTATION = "modelyard.dev/run-id"
LONGEST_NAME = 300


class EventInvalid(ValueError):
    """What was posted is not a CloudEvent."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `model_version` and `run_id` are empty where the event carries no annotations."""

    id: str
    kind: Kind
    namespace: str
    inferenceservice: str
    model_version: str
    run_id: str
    body: bytes


def read_binary(headers: Iterable[tuple[bytes, bytes]], body: bytes) -> Event:
    """The event of a request in binary mode; names of headers in lower case, as ASGI gives them.

    Raises:
        EventInvalid: there is no `ce-id` or no `ce-type`.
    """
    attributes = {
        name[3:].decode("latin-1"): value.decode("latin-1") for name, value in headers if name.startswith(b"ce-")
    }
    return _event(attributes, body)


def read_json(body: bytes) -> list[Event]:
    """Events of the structured (`application/cloudevents+json`) or batched (`...-batch+json`) mode.

    Raises:
        EventInvalid: not JSON, or one of them is not a CloudEvent; then none is taken.
    """
    try:
        held = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise EventInvalid(f"not JSON: {error}") from error
    items = held if isinstance(held, list) else [held]
    if not all(isinstance(item, dict) for item in items):
        raise EventInvalid("an event is not a JSON object")
    return [_event(item, _data(item)) for item in items]


def _data(item: Mapping[str, Any]) -> bytes:
    if "data_base64" in item:
        try:
            return base64.b64decode(item["data_base64"], validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise EventInvalid(f"data_base64: {error}") from error
    return orjson.dumps(item["data"]) if "data" in item else b""


def _event(attributes: Mapping[str, Any], body: bytes) -> Event:
    identity, kind = attributes.get("id"), attributes.get("type")
    if not identity or not isinstance(identity, str) or not isinstance(kind, str):
        raise EventInvalid("ce-id or ce-type is missing")
    annotations = _annotations(attributes.get("annotations", ""))
    return Event(
        id=identity[:LONGEST_NAME],
        kind=KINDS.get(kind, "other"),
        namespace=_name(attributes.get("namespace")),
        inferenceservice=_name(attributes.get("inferenceservicename")),
        model_version=_name(annotations.get(VERSION_ANNOTATION)),
        run_id=_name(annotations.get(RUN_ANNOTATION)),
        body=body,
    )


def _name(value: Any) -> str:
    return value[:LONGEST_NAME] if isinstance(value, str) else ""


def _annotations(value: Any) -> Mapping[str, Any]:
    try:
        held = orjson.loads(value) if isinstance(value, str) else value
    except orjson.JSONDecodeError:
        return {}
    return held if isinstance(held, dict) else {}
