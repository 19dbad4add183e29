"""Deleting: at once, or when the last finalizer has gone; with everything that only the deleted object owned."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.responses import Response

from modelyard.serving.api import bodies, errors
from modelyard.serving.api.calls import Call, answer, expect_precondition
from modelyard.serving.api.namespaces import OWNED_BY_CONTROLLER, expect_deletable, plan_emptying, terminating
from modelyard.serving.api.query import is_dry_run
from modelyard.serving.api.resources import NAMESPACES, RESOURCES, Resource
from modelyard.serving.store import Store

Object = dict[str, Any]
Key = tuple[str, str, str]
"""(resource in the store, namespace, name)"""

ORPHAN = "Orphan"
POLICIES = ("Background", "Foreground", ORPHAN)


def delete(call: Call) -> Response:
    """DELETE of an object; dryRun and preconditions may stand in the body (DeleteOptions).

    An object with finalizers stays, marked as being deleted, until the last of them is taken away.
    """
    present = call.present()
    options = _delete_options(call)
    for key, value in (options.get("preconditions") or {}).items():
        expect_precondition(call, key, value, present)
    dry_run, policy = is_dry_run(call.query, options), _policy(call, options)
    if call.resource is NAMESPACES:
        expect_deletable(call.name)
        if not dry_run:
            call.store.delete_all([*plan_emptying(call.store, call.name), (call.stored, "", call.name)])
        return answer(call.encoder.one(terminating(present, call.store.time())))
    if present["metadata"].get("finalizers"):
        marked = call.store.mark_deleted(call.stored, call.namespace or "", call.name, dry_run=dry_run)
        return answer(call.encoder.one(marked))
    if not dry_run:
        dependents = [] if policy == ORPHAN else plan_garbage(call.store, [present])
        call.store.delete_all([(call.stored, call.namespace or "", call.name), *dependents])
    details = {"name": call.name, "group": call.resource.group, "kind": call.resource.plural}
    details["uid"] = present["metadata"]["uid"]
    return answer({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})


def delete_collection(call: Call) -> Response:
    """DELETE of a collection: everything that the selectors select."""
    selection, options = call.selection(), _delete_options(call)
    dry_run, policy = is_dry_run(call.query, options), _policy(call, options)
    items, version = call.listed()
    doomed = [item for item in items if selection.matches(item)]
    if not dry_run:
        marked = [item for item in doomed if item["metadata"].get("finalizers")]
        for item in marked:
            call.store.mark_deleted(*_key(call.stored, item))
        gone = [item for item in doomed if item not in marked]
        keys = [_key(call.stored, item) for item in gone]
        dependents = [] if policy == ORPHAN else plan_garbage(call.store, gone)
        call.store.delete_all([*keys, *(key for key in dependents if key not in keys)])
    return answer(call.encoder.many(doomed, version))


def plan_garbage(store: Store, gone: Iterable[Object]) -> list[Key]:
    """What goes with objects that are deleted: whatever has owners, and all of them among those.

    Revisions and pods are left to the controller, which ends their replicas first.
    """
    uids = {item["metadata"]["uid"] for item in gone}
    found: list[Key] = []
    kinds = {kind.stored for kind in RESOURCES if kind.stored and "delete" in kind.verbs}
    held = [(kind, item) for kind in sorted(kinds - {*OWNED_BY_CONTROLLER}) for item in store.list(kind)[0]]
    grew = True
    while grew:
        grew = False
        for kind, item in held:
            owners = [owner.get("uid") for owner in item["metadata"].get("ownerReferences") or []]
            is_garbage = bool(owners) and uids.issuperset(owners) and item["metadata"]["uid"] not in uids
            if is_garbage and not item["metadata"].get("finalizers"):
                found.append(_key(kind, item))
                uids.add(item["metadata"]["uid"])
                grew = True
    return found


def expect_no_new_finalizers(resource: Resource, obj: Object, present: Object) -> None:
    """Refuse finalizers that come too late.

    Raises:
        ApiError: 422, the object is being deleted and has not had them.
    """
    if "deletionTimestamp" not in present["metadata"]:
        return
    held, asked = present["metadata"].get("finalizers") or [], obj["metadata"].get("finalizers")
    new = [name for name in asked if name not in held] if isinstance(asked, list) else []
    if new:
        quoted = ", ".join(f'"{name}"' for name in new)
        told = "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers"
        cause = {"reason": "FieldValueForbidden", "message": f"{told} []string{{{quoted}}}"}
        cause["field"] = "metadata.finalizers"
        raise errors.invalid(resource.kind, resource.group, present["metadata"]["name"], [cause])


def _key(resource: str, item: Object) -> Key:
    return resource, item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _policy(call: Call, options: Object) -> str:
    asked = call.query.get("propagationPolicy") or options.get("propagationPolicy") or POLICIES[0]
    if asked not in POLICIES:
        listed = ", ".join(f'"{policy}"' for policy in (*POLICIES, ""))
        told = f'Unsupported value: "{asked}": supported values: {listed}'
        cause = {"reason": "FieldValueNotSupported", "message": told, "field": "propagationPolicy"}
        raise errors.invalid("DeleteOptions", "meta.k8s.io", "", [cause])
    return asked


def _delete_options(call: Call) -> Object:
    if call.body in (b"", b"null"):
        return {}
    decoded = bodies.decode(call.body, call.content_type, bodies.OBJECT_TYPES, "DeleteOptions")
    if not isinstance(decoded, dict) or not isinstance(decoded.get("preconditions") or {}, dict):
        raise errors.bad_request("the body of a DELETE must be DeleteOptions")
    return decoded
