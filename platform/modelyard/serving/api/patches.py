"""JSON patch (RFC 6902), merge patch (RFC 7386) and, for the core kinds, strategic merge patch."""

from __future__ import annotations

import copy
from typing import Any

import jsonpatch
import jsonpointer
import orjson

from modelyard.serving.api.depth import MOST_LEVELS, levels_of
from modelyard.serving.api.errors import ApiError, bad_request, too_large
from modelyard.serving.api.resources import Resource
from modelyard.serving.api.strategic import strategic_merge

Object = dict[str, Any]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
MOST_OPERATIONS = 10_000
MOST_COPIED_BYTES = 3 * 1024 * 1024
"""Of all `copy` operations of a JSON patch: each could double what is there."""


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
        patched = _json_patched(target, patch)
    except jsonpatch.InvalidJsonPatch as error:
        raise bad_request(f"error decoding patch: {error}") from error
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
        message = "the server rejected our request due to an error in our request"
        raise ApiError(422, "Invalid", message, {}) from error
    if not isinstance(patched, dict):
        raise bad_request("the patch leaves no object")
    if levels_of(patched) > MOST_LEVELS:
        raise bad_request(f"the patch nests the object more than {MOST_LEVELS} levels deep")
    return patched


def _json_patched(target: Object, operations: list[Any]) -> Any:
    """The target with a JSON patch applied, within Kubernetes' bounds on operations and on what they copy."""
    if len(operations) > MOST_OPERATIONS:
        message = f"The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {len(operations)}"
        raise ApiError(413, "RequestEntityTooLarge", message)
    patched: Any = copy.deepcopy(target)
    copied_bytes = 0
    for operation in operations:
        if isinstance(operation, dict) and operation.get("op") == "copy" and isinstance(operation.get("from"), str):
            source = jsonpointer.resolve_pointer(patched, operation["from"])
            if levels_of(source) > MOST_LEVELS:
                raise bad_request(f"the patch nests the object more than {MOST_LEVELS} levels deep")
            copied_bytes += len(orjson.dumps(source))
            if copied_bytes > MOST_COPIED_BYTES:
                raise too_large(MOST_COPIED_BYTES)
        patched = jsonpatch.JsonPatch([operation]).apply(patched, in_place=True)
    return patched
