"""JSON patch (RFC 6902) and merge patch (RFC 7386)."""

from __future__ import annotations

import copy
from typing import Any

import jsonpatch
import jsonpointer

from modelyard.serving.api.errors import ApiError, bad_request

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
PATCH_TYPES = (JSON_PATCH, MERGE_PATCH)


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


def apply_patch(media_type: str, target: dict[str, Any], patch: Any) -> dict[str, Any]:
    """A new object: the target with the patch applied.

    Raises:
        ApiError: 422, a test of a JSON patch fails or a path is not there; 400, it is no patch of that type.
    """
    if media_type == MERGE_PATCH:
        if not isinstance(patch, dict):
            raise bad_request("error decoding patch: a merge patch must be an object")
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
