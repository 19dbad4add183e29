"""Bodies in Kubernetes' protobuf form, which `kubectl create` sends for the core kinds; no library is needed.

A body is the four bytes `k8s\\0` and a runtime.Unknown, which holds the message of the kind. Only what the kinds below
have is read, and any other field number is skipped, as protobuf wants it.

Sources: k8s.io/apimachinery runtime/generated.proto and meta/v1/generated.proto, k8s.io/api core/v1/generated.proto.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from modelyard.serving.store import timestamp

Object = dict[str, Any]

PREFIX = b"k8s\x00"
MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5


class NotProtobuf(ValueError):
    """The bytes are no such message; the text says where it ends to be one."""


@dataclass(frozen=True)
class Field:
    """A field of a message: its JSON name and how its value is read.

    `form` is text, bytes, flag, number, time, or a message's name; `repeated` makes a list, `map` an object.
    """

    name: str
    form: str = "text"
    repeated: bool = False
    map: bool = False


Message = dict[int, Field]

MESSAGES: dict[str, Message] = {
    "Unknown": {1: Field("type", "TypeMeta"), 2: Field("raw", "raw"), 3: Field("encoding"), 4: Field("contentType")},
    "TypeMeta": {1: Field("apiVersion"), 2: Field("kind")},
    "Time": {1: Field("seconds", "number")},
    "ObjectMeta": {
        1: Field("name"),
        2: Field("generateName"),
        3: Field("namespace"),
        5: Field("uid"),
        6: Field("resourceVersion"),
        7: Field("generation", "number"),
        8: Field("creationTimestamp", "time"),
        11: Field("labels", map=True),
        12: Field("annotations", map=True),
        13: Field("ownerReferences", "OwnerReference", repeated=True),
        14: Field("finalizers", repeated=True),
    },
    "OwnerReference": {
        1: Field("kind"),
        3: Field("name"),
        4: Field("uid"),
        5: Field("apiVersion"),
        6: Field("controller", "flag"),
        7: Field("blockOwnerDeletion", "flag"),
    },
    "ObjectReference": {
        1: Field("kind"),
        2: Field("namespace"),
        3: Field("name"),
        4: Field("uid"),
        5: Field("apiVersion"),
        6: Field("resourceVersion"),
        7: Field("fieldPath"),
    },
    "LocalObjectReference": {1: Field("name")},
    "Secret": {
        1: Field("metadata", "ObjectMeta"),
        2: Field("data", "bytes", map=True),
        3: Field("type"),
        4: Field("stringData", map=True),
        5: Field("immutable", "flag"),
    },
    "ConfigMap": {
        1: Field("metadata", "ObjectMeta"),
        2: Field("data", map=True),
        3: Field("binaryData", "bytes", map=True),
        4: Field("immutable", "flag"),
    },
    "ServiceAccount": {
        1: Field("metadata", "ObjectMeta"),
        2: Field("secrets", "ObjectReference", repeated=True),
        3: Field("imagePullSecrets", "LocalObjectReference", repeated=True),
        4: Field("automountServiceAccountToken", "flag"),
    },
    "Namespace": {1: Field("metadata", "ObjectMeta"), 2: Field("spec", "NamespaceSpec")},
    "NamespaceSpec": {1: Field("finalizers", repeated=True)},
    "SelfSubjectAccessReview": {1: Field("metadata", "ObjectMeta"), 2: Field("spec", "SelfSubjectAccessReviewSpec")},
    "SelfSubjectAccessReviewSpec": {
        1: Field("resourceAttributes", "ResourceAttributes"),
        2: Field("nonResourceAttributes", "NonResourceAttributes"),
    },
    "ResourceAttributes": {
        number: Field(name)
        for number, name in enumerate(
            ("namespace", "verb", "group", "version", "resource", "subresource", "name"), start=1
        )
    },
    "NonResourceAttributes": {1: Field("path"), 2: Field("verb")},
    "SelfSubjectRulesReview": {1: Field("metadata", "ObjectMeta"), 2: Field("spec", "SelfSubjectRulesReviewSpec")},
    "SelfSubjectRulesReviewSpec": {1: Field("namespace")},
    "SelfSubjectReview": {1: Field("metadata", "ObjectMeta")},
    "DeleteOptions": {
        1: Field("gracePeriodSeconds", "number"),
        2: Field("preconditions", "Preconditions"),
        3: Field("orphanDependents", "flag"),
        4: Field("propagationPolicy"),
        5: Field("dryRun", repeated=True),
    },
    "Preconditions": {1: Field("uid"), 2: Field("resourceVersion")},
}
"""Fields by their number, by message."""


def decode_body(body: bytes) -> Object:
    """The object in a body, as its JSON form would be.

    Raises:
        NotProtobuf: it is no body of that form, or of a kind that is not read here.
    """
    if not body.startswith(PREFIX):
        raise NotProtobuf("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    unknown = decode_message(body[len(PREFIX) :], "Unknown")
    described = unknown.get("type", {})
    kind = described.get("kind", "")
    if kind not in MESSAGES or kind in ("Unknown", "TypeMeta"):
        raise NotProtobuf(f"the kind {kind!r} is not read from protobuf")
    return {**decode_message(unknown.get("raw", b""), kind), **described}


def decode_message(data: bytes, name: str) -> Object:
    """A message by its name in MESSAGES. Empty texts are left out, as JSON leaves them out.

    Raises:
        NotProtobuf: the bytes end too early, or a field has another wire type.
    """
    known, found = MESSAGES[name], {}  # type: tuple[Message, Object]
    for number, value in fields(data):
        field = known.get(number)
        if field is None:
            continue
        if field.map:
            pair = dict(fields(_bytes(value)))
            key = _text(pair.get(1, b""))
            found.setdefault(field.name, {})[key] = _value(pair.get(2, b""), field.form)
        elif field.repeated:
            found.setdefault(field.name, []).append(_value(value, field.form))
        else:
            read = _value(value, field.form)
            if read not in ("", None):
                found[field.name] = read
    return found


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of the fields of a message: an int for a varint, bytes for all else.

    Raises:
        NotProtobuf: the bytes end too early, or a wire type is unknown.
    """
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            read, at = _varint(data, at)
            yield number, read
            continue
        if wire == BYTES:
            length, at = _varint(data, at)
        elif wire in (FIXED_64, FIXED_32):
            length = 8 if wire == FIXED_64 else 4
        else:
            raise NotProtobuf(f"illegal wireType {wire} at byte {at}")
        if at + length > len(data):
            raise NotProtobuf(f"unexpected EOF: a field of {length} bytes begins at byte {at} of {len(data)}")
        yield number, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data):
            raise NotProtobuf("unexpected EOF")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at
        if shift > 63:
            raise NotProtobuf("integer overflow")


def _value(value: int | bytes, form: str) -> Any:
    if form in ("flag", "number"):
        if not isinstance(value, int):
            raise NotProtobuf("a number is sent as bytes")
        return bool(value) if form == "flag" else _signed(value)
    held = _bytes(value)
    if form == "text":
        return _text(held)
    if form == "bytes":
        return base64.b64encode(held).decode()
    if form == "raw":
        return held
    if form == "time":
        seconds = decode_message(held, "Time").get("seconds")
        return None if seconds is None else _timestamp(seconds)
    return decode_message(held, form)


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise NotProtobuf("bytes are sent as a number")
    return value


def _text(value: int | bytes) -> str:
    try:
        return _bytes(value).decode()
    except UnicodeDecodeError as error:
        raise NotProtobuf(f"a text is not UTF-8: {error.reason}") from error


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _timestamp(seconds: int) -> str:
    try:
        return timestamp(seconds)
    except (OverflowError, ValueError, OSError) as error:
        raise NotProtobuf(f"a time is out of range: {seconds}") from error
