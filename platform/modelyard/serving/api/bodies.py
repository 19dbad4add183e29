"""Request bodies: JSON, YAML or protobuf by their Content-Type."""

from __future__ import annotations

from typing import Any

import orjson

from modelyard.serving.api import protobuf
from modelyard.serving.api.depth import MOST_LEVELS, levels_of
from modelyard.serving.api.errors import ApiError, bad_request, unsupported_media_type
from modelyard.serving.api.resources import Resource

GO_EXPECTED = {
    "expected a JSON value": "looking for beginning of value",
    "after key": "after object key",
    "trailing comma": "looking for beginning of object key string",
    "content after document": "after top-level value",
}
"""Go's words by what orjson says."""
OBJECT_TYPES = ("application/json", "application/yaml", protobuf.MEDIA_TYPE)


def media_type(content_type: str | None) -> str:
    """The type without parameters; an absent one is JSON (the Python client 37 sends none)."""
    return (content_type or "application/json").split(";")[0].strip().lower()


def decode(body: bytes, content_type: str | None, accepted: tuple[str, ...], kind: str) -> Any:
    """The body as data.

    Raises:
        ApiError: 415 for a type that is not accepted, 400 for a body that is not of its type, or nested too deep.
    """
    found = media_type(content_type)
    if found not in accepted:
        raise unsupported_media_type(accepted)
    if found == protobuf.MEDIA_TYPE:
        decoded = _decode_protobuf(body, kind)
    elif found.endswith("yaml"):
        decoded = _decode_yaml(body, kind)
    else:
        try:
            decoded = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise _unrecognized(kind, f"json parse error: {parse_error(error)}", body) from error
    if body.count(b"{") + body.count(b"[") > MOST_LEVELS and levels_of(decoded) > MOST_LEVELS:
        raise bad_request(f"the body is nested more than {MOST_LEVELS} levels deep")
    return decoded


def parse_error(error: orjson.JSONDecodeError) -> str:
    """What is wrong with a text that is no JSON, in the words of Go's decoder where it has some for it."""
    text = str(error.doc)
    if "UTF-8" in error.msg:
        return error.msg
    if error.pos >= len(text):
        return "unexpected end of JSON input"
    met = text[error.pos + 1 :].lstrip()[:1] if error.msg.startswith("trailing comma") else text[error.pos]
    expected = next((told for said, told in GO_EXPECTED.items() if said in error.msg), None)
    expected = GO_EXPECTED["expected a JSON value"] if met == "]" else expected
    return f"invalid character {met!r} {expected}" if expected else str(error)


def decode_object(body: bytes, content_type: str | None, resource: Resource) -> dict[str, Any]:
    """The body as an object of the resource, with metadata as an object.

    Raises:
        ApiError: as `decode`; 400 for another kind or version.
    """
    decoded = decode(body, content_type, OBJECT_TYPES, resource.kind)
    if not isinstance(decoded, dict):
        raise _unrecognized(resource.kind, "the body is not an object", body)
    return checked(decoded, resource)


def checked(obj: dict[str, Any], resource: Resource) -> dict[str, Any]:
    """The same object, with apiVersion, kind and metadata filled in where they are absent.

    Raises:
        ApiError: 400 for another kind or version, or where metadata is no object.
    """
    version = obj.setdefault("apiVersion", resource.api_version)
    kind = obj.setdefault("kind", resource.kind)
    if version != resource.api_version:
        message = f"the API version in the data ({version}) does not match the expected API version"
        raise bad_request(f"{message} ({resource.api_version})")
    if kind != resource.kind:
        raise bad_request(f"the kind in the data ({kind}) does not match the expected kind ({resource.kind})")
    if not isinstance(obj.setdefault("metadata", {}), dict):
        raise bad_request(f"{resource.kind} cannot be handled: metadata must be an object")
    return obj


def _decode_yaml(body: bytes, kind: str) -> Any:
    from modelyard.serving.api import yaml_bodies

    try:
        return yaml_bodies.load(body)
    except yaml_bodies.NotPlain as error:
        raise _unrecognized(kind, str(error), body) from error


def _decode_protobuf(body: bytes, kind: str) -> Any:
    try:
        return protobuf.decode_body(body)
    except protobuf.NotProtobuf as error:
        # The bytes are not shown: they may hold a secret.
        message = f"the object provided is unrecognized (must be of type {kind}): {error}"
        raise bad_request(message) from error


def _unrecognized(kind: str, why: str, body: bytes) -> ApiError:
    told = body[:200].decode("utf-8", "replace")
    message = f"the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; {why}"
    return bad_request(f"{message} ({told})")
