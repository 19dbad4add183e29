"""Who owns which fields of an object (metadata.managedFields): pure functions over two states of an object.

An Update takes what it changes from everybody else. An Apply owns what it sends: it conflicts where another owner's
value would change, co-owns where it is equal, and what it no longer sends is removed unless somebody else owns it.

Sources: sigs.k8s.io/structured-merge-diff v6 merge/update.go; k8s.io/apimachinery pkg/util/managedfields.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import orjson

from modelyard.serving.api import errors, schemas
from modelyard.serving.api.field_sets import (
    Difference,
    Path,
    Paths,
    compare,
    decode,
    encode,
    laid_over,
    paths_of,
    told,
    without,
)

Object = dict[str, Any]

APPLY, UPDATE = "Apply", "Update"
MANAGER_LENGTH = 128
MOST_UPDATERS = 10
"""Managers that only update; beyond it the oldest become one."""
CONTROLLER = "manager"
ANCIENT, BEFORE_FIRST_APPLY = "ancient-changes", "before-first-apply"
KUBECTL = "kubectl"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_METADATA = ("name", "namespace", "creationTimestamp", "selfLink", "uid", "generation", "managedFields")
NOBODYS: frozenset[Path] = frozenset(
    {("f:apiVersion",), ("f:kind",), ("f:metadata",), ("f:metadata", "f:resourceVersion")}
    | {("f:metadata", f"f:{key}") for key in _METADATA}
)
"""Fields that say which object it is, or that the API sets."""


@dataclass(frozen=True)
class Writer:
    """Who writes: a manager's name, how (Apply or Update), in which version, through which subresource."""

    manager: str
    operation: str
    api_version: str
    subresource: str = ""


@dataclass(frozen=True)
class Owned:
    """What a writer owns, and since when (as Kubernetes writes times)."""

    paths: Paths
    time: str


Owners = dict[Writer, Owned]


class Conflicts(Exception):
    """An Apply would change what others own; `held` are (owner, path), in the order in which messages list them."""

    def __init__(self, held: list[tuple[Writer, Path]]) -> None:
        super().__init__(f"{len(held)} conflicts")
        self.held = held

    def as_error(self) -> errors.ApiError:
        """The 409 as a real cluster tells it."""
        causes = [
            {"reason": "FieldManagerConflict", "message": f"conflict with {_named(owner)}", "field": told(path)}
            for owner, path in self.held
        ]
        if len(self.held) == 1:
            message = f"Apply failed with 1 conflict: {causes[0]['message']}: {causes[0]['field']}"
        else:
            lines: dict[Writer, list[str]] = {}
            for owner, path in self.held:
                lines.setdefault(owner, [f"conflicts with {_named(owner)}:"]).append(f"- {told(path)}")
            listed = "\n".join(line for group in lines.values() for line in group)
            message = f"Apply failed with {len(self.held)} conflicts: {listed}"
        return errors.ApiError(409, "Conflict", message, {"causes": causes})


def read_owners(managed: Any) -> Owners:
    """The owners that metadata.managedFields tells; entries that are none are passed over."""
    owners: Owners = {}
    for entry in managed if isinstance(managed, list) else ():
        if not isinstance(entry, dict) or entry.get("operation") not in (APPLY, UPDATE):
            continue
        keys = ("manager", "operation", "apiVersion", "subresource")
        writer = Writer(*(str(entry.get(key) or "") for key in keys))
        owners[writer] = Owned(decode(entry.get("fieldsV1")), str(entry.get("time") or ""))
    return owners


def write_owners(owners: Owners) -> list[Object]:
    """The owners as metadata.managedFields, in upstream's order."""
    listed = []
    order = sorted(owners, key=lambda w: (w.operation, owners[w].time, w.manager, w.api_version, w.subresource))
    for writer in order:
        entry = {"apiVersion": writer.api_version, "fieldsType": "FieldsV1", "fieldsV1": encode(owners[writer].paths)}
        entry |= {"manager": writer.manager, "operation": writer.operation, "time": owners[writer].time}
        if writer.subresource:
            entry["subresource"] = writer.subresource
        listed.append(entry)
    return listed


def with_owners(obj: Object, owners: Owners) -> Object:
    """The object with managedFields that tell the owners."""
    meta = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    if owners:
        meta["managedFields"] = write_owners(owners)
    return {**obj, "metadata": meta}


def after_update(before: Object | None, made: Object, schema: Object, writer: Writer, now: str) -> Object:
    """`made` with its managedFields after a create (`before` None) or an update by `writer`.

    managedFields that a client sends are taken as the owners, so that it can hand fields over; absent or empty ones
    leave the owners as they are, and `[{}]` begins anew.
    """
    if before is not None and not before["metadata"].get("managedFields"):
        owners = _sent_owners(made) if not writer.subresource else {}
        if not owners:
            return with_owners(made, {})  # nobody was told of before, so nobody begins to be
    else:
        owners = _live_or_sent(before, made, writer)
    change = compare(_plain(before or _empty_like(made)), _plain(made), schema)
    return with_owners(made, owners_after_update(owners, change, writer, now))


def owners_after_update(owners: Owners, change: Difference, writer: Writer, now: str) -> Owners:
    """The owners after an update that made this difference."""
    taken = frozenset(change.added | change.modified) - NOBODYS
    lost = taken | change.removed
    kept = {other: replace(held, paths=held.paths - lost) for other, held in owners.items()}
    if taken:
        held = kept[writer].paths if writer in kept else frozenset()
        kept[writer] = Owned(held | taken, now)
    return _capped({other: held for other, held in kept.items() if held.paths})


def apply(live: Object, config: Object, schema: Object, writer: Writer, now: str, *, force: bool) -> Object:
    """The object after a server-side apply of `config`; of a new object, `live` has only kind, version and name.

    Raises:
        Conflicts: others own what it would change, and it does not force.
        ApiError: 400, an item of a list has not the keys by which such items are told apart.
    """
    owners = read_owners(live["metadata"].get("managedFields"))
    plain, config = _plain(live), _plain(config)
    if not owners and "uid" in live["metadata"]:
        first = Writer(BEFORE_FIRST_APPLY, UPDATE, writer.api_version)
        owners = owners_after_update({}, compare(_plain(_empty_like(live)), plain, schema), first, now)
    last = owners[writer].paths if writer in owners else frozenset()
    sent = frozenset(paths_of(config, schema)) - NOBODYS
    owners[writer] = Owned(sent, owners[writer].time if writer in owners else now)
    made = laid_over(plain, config, schema)
    made = without(made, _forgotten(last, owners), schema)
    change = compare(plain, made, schema)
    conflicts = _conflicts(owners, change, writer)
    if conflicts and not force and not _is_migration(live, conflicts, writer, schema):
        raise Conflicts(conflicts)
    lost = frozenset(change.added | change.modified)
    after = {
        other: held if other == writer else replace(held, paths=held.paths - lost - change.removed)
        for other, held in owners.items()
    }
    is_same = not (change.added or change.modified or change.removed) and sent == last
    if not is_same:
        after[writer] = Owned(sent, now)
    made = {**made, "metadata": {**live["metadata"], **made["metadata"]}}
    _drop_removed(made["metadata"], change)
    return with_owners(_synced(live, made, config, writer), {w: held for w, held in after.items() if held.paths})


def track_status(resource: str, before: Object, made: Object, now: str) -> Object:
    """`made` with its managedFields after the controller has written the status; as KServe's it is called `manager`."""
    if not before["metadata"].get("managedFields"):
        return made
    writer = Writer(CONTROLLER, UPDATE, str(made.get("apiVersion", "")), "status")
    return after_update(before, made, schemas.schema_of(resource), writer, now)


def manager_of(query_manager: str, user_agent: str) -> str:
    """The manager's name: what is asked for, else the User-Agent up to its `/`."""
    if query_manager:
        return query_manager
    printable = "".join(letter for letter in user_agent.split("/", maxsplit=1)[0] if letter.isprintable())
    return printable[:MANAGER_LENGTH] or "unknown"


def _plain(obj: Object) -> Object:
    """The object without what nobody owns as a whole, so that it is not compared."""
    meta = {key: value for key, value in obj["metadata"].items() if key not in (*_METADATA, "resourceVersion")}
    return {**obj, "metadata": meta}


def _empty_like(obj: Object) -> Object:
    return {"apiVersion": obj.get("apiVersion"), "kind": obj.get("kind"), "metadata": {}}


def _sent_owners(made: Object) -> Owners:
    return read_owners(made["metadata"].get("managedFields"))


def _live_or_sent(before: Object | None, made: Object, writer: Writer) -> Owners:
    if not writer.subresource:
        if made["metadata"].get("managedFields") == [{}]:
            return {}
        sent = _sent_owners(made)
        if sent:
            return sent
    return read_owners(before["metadata"].get("managedFields")) if before else {}


def _forgotten(last: Paths, owners: Owners) -> Paths:
    """What the manager owned, no longer sends, and nobody else owns; also maps of which nothing is owned any more."""
    held = {path[:length] for owned in owners.values() for path in owned.paths for length in range(1, len(path) + 1)}
    whole = {path[:length] for path in last for length in range(1, len(path) + 1)}
    return frozenset(whole) - held - NOBODYS


def _conflicts(owners: Owners, change: Difference, writer: Writer) -> list[tuple[Writer, Path]]:
    touched = change.added | change.modified
    found = [(other, path) for other, held in owners.items() if other != writer for path in held.paths & touched]
    return sorted(found, key=lambda item: (item[0].manager, item[0].operation, item[0].subresource, item[1]))


def _is_migration(live: Object, conflicts: list[tuple[Writer, Path]], writer: Writer, schema: Object) -> bool:
    """Whether kubectl goes over from client-side apply: what conflicts is what it applied before."""
    if writer.manager != KUBECTL:
        return False
    try:
        last = orjson.loads((live["metadata"].get("annotations") or {}).get(LAST_APPLIED, ""))
    except orjson.JSONDecodeError:
        return False
    if not isinstance(last, dict) or not isinstance(last.get("metadata"), dict):
        return False
    return {path for _, path in conflicts} <= set(paths_of(_plain(last), schema))


def _synced(live: Object, made: Object, config: Object, writer: Writer) -> Object:
    """With the annotation of client-side apply kept in step, so that kubectl can go back to it."""
    annotations = made["metadata"].get("annotations") or {}
    if writer.manager != KUBECTL or LAST_APPLIED not in (live["metadata"].get("annotations") or {}):
        return made
    meta = config["metadata"]
    sent = {key: value for key, value in (meta.get("annotations") or {}).items() if key != LAST_APPLIED}
    names = {key: live["metadata"][key] for key in ("name", "namespace") if key in live["metadata"]}
    text = orjson.dumps({**config, "metadata": {**meta, **names, "annotations": sent}}, option=orjson.OPT_SORT_KEYS)
    annotations = {**annotations, LAST_APPLIED: text.decode() + "\n"}
    return {**made, "metadata": {**made["metadata"], "annotations": annotations}}


def _drop_removed(meta: Object, change: Difference) -> None:
    for path in change.removed:
        if len(path) == 2 and path[0] == "f:metadata":
            meta.pop(path[1][2:], None)


def _capped(owners: Owners) -> Owners:
    updaters = [writer for writer in owners if writer.operation == UPDATE and not writer.subresource]
    if len(updaters) <= MOST_UPDATERS:
        return owners
    oldest = sorted(updaters, key=lambda writer: owners[writer].time)[: len(updaters) - MOST_UPDATERS + 1]
    kept = {writer: held for writer, held in owners.items() if writer not in oldest}
    paths = frozenset[Path]().union(*(owners[writer].paths for writer in oldest))
    kept[Writer(ANCIENT, UPDATE, oldest[0].api_version)] = Owned(paths, owners[oldest[-1]].time)
    return kept


def _named(owner: Writer) -> str:
    name = f'"{owner.manager}"'
    if owner.subresource:
        name += f' with subresource "{owner.subresource}"'
    return f"{name} using {owner.api_version}" if owner.operation == UPDATE else name
