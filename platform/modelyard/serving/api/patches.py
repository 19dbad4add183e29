"""JSON patch (RFC 6902), merge patch (RFC 7386) and, for the core kinds, strategic merge patch."""

from __future__ import annotations

import copy
from typing import Any

import jsonpatch
import jsonpointer

from modelyard.serving.api.errors import ApiError, bad_request
from modelyard.serving.api.resources import Resource
from modelyard.serving.api.strategic import strategic_merge

Object = dict[str, Any]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


def patch_types(resource: Resource) -> tuple[str, ...]:
    """Media types of the patches that a kind takes, in the order in which messages list them."""
    strategic = (STRATEGIC_PATCH,) if resource.takes_strategic_merge else ()
    return (JSON_PATCH, MERGE_PATCH, *strategic, APPLY_PATCH)


def merge(target: Any, patch: Any) -> Any:
    """The target with the patch merged in: objects by key, null removes, everything else replaces."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def apply_patch(media_type: str, target: Object, patch: Any, schema: Object | None = None) -> Object:
    """A new object: the target with the patch applied; a strategic merge asks the schema how lists merge.

    Raises:
        ApiError: 422, a test of a JSON patch fails or a path is not there; 400, it is no patch of that type.
    """
    if media_type in (MERGE_PATCH, STRATEGIC_PATCH):
        if not isinstance(patch, dict):
            raise bad_request("error decoding patch: a merge patch must be an object")
        if media_type == STRATEGIC_PATCH:
            return strategic_merge(target, patch, schema or {})
        return merge(target, patch)
    if not isinstance(patch, list):
        raise bad_request("error decoding patch: a JSON patch must be an array")
    try:
        patched = jsonpatch.apply_patch(target, patch)
    except jsonpatch.InvalidJsonPatch as error:
        raise bad_request(f"error decoding patch: {error}") from error
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
        message = "the server rejected our request due to an error in our request"
        raise ApiError(422, "Invalid", message, {}) from error
    if not isinstance(patched, dict):
        raise bad_request("the patch leaves no object")
    return patched
