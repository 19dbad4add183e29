"""What an object must be to be stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelyard.serving.api import errors

if TYPE_CHECKING:
    from modelyard.serving.api.handlers import Call

Object = dict[str, Any]


def admit(call: Call, obj: Object, present: Object | None) -> None:
    """Check the object and fill in its defaults; `present` is what it replaces."""
    if not obj["metadata"].get("name"):
        told = "Required value: name or generateName is required"
        cause = {"reason": "FieldValueRequired", "message": told, "field": "metadata.name"}
        raise errors.invalid(call.resource.kind, call.resource.group, "", [cause])
