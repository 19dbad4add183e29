"""The life of a namespace: what is in it from the start, and what goes with it."""

from __future__ import annotations

from typing import Any

from modelyard.serving.api import errors
from modelyard.serving.api.core_rules import namespace_with_defaults
from modelyard.serving.api.resources import NAMESPACES, RESOURCES, SERVICEACCOUNTS
from modelyard.serving.store import AlreadyExists, Store, timestamp

Object = dict[str, Any]

IMMORTAL = ("default", "kube-public", "kube-system")
OWNED_BY_CONTROLLER = ("revisions", "pods")
"""Resources of a namespace that its controller clears away, as soon as the InferenceServices are gone."""


def ensure_namespace(store: Store, name: str) -> None:
    """Make a namespace with its service account, where they are not there yet."""
    made = namespace_with_defaults({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    _create(store, NAMESPACES.stored or "", made)
    complete_namespace(store, name)


def complete_namespace(store: Store, name: str) -> None:
    """Make what every namespace has: the service account `default`."""
    meta = {"name": "default", "namespace": name}
    account = {"apiVersion": "v1", "kind": SERVICEACCOUNTS.kind, "metadata": meta}
    _create(store, SERVICEACCOUNTS.stored or "", account)


def expect_deletable(name: str) -> None:
    """Refuse to delete a namespace that a cluster needs.

    Raises:
        ApiError: 403.
    """
    if name in IMMORTAL:
        raise errors.undeletable_namespace(name)


def plan_emptying(store: Store, name: str) -> list[tuple[str, str, str]]:
    """(resource, namespace, name) of everything that goes with a namespace."""
    kinds = [kind.stored for kind in RESOURCES if kind.namespaced and kind.stored not in (None, *OWNED_BY_CONTROLLER)]
    return [(kind, name, item["metadata"]["name"]) for kind in kinds if kind for item in store.list(kind, name)[0]]


def terminating(namespace: Object, now: float) -> Object:
    """The namespace as the answer to its deletion tells it."""
    meta = {**namespace["metadata"], "deletionTimestamp": timestamp(now)}
    return {**namespace, "metadata": meta, "status": {"phase": "Terminating"}}


def _create(store: Store, resource: str, obj: Object) -> None:
    try:
        store.create(resource, obj)
    except AlreadyExists:
        return
