"""Objects of the Kubernetes API on disk: one SQLite file, one counter as resourceVersion, a bounded history to watch.

A write is on disk when the call returns (WAL with synchronous=FULL), object and history entry in one transaction, so a
kill -9 loses nothing that a client was told. Everything is called from one asyncio thread.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from modelyard.serving.store_file import Transaction, open_database

Object = dict[str, Any]

HISTORY_EVENTS = 1000
"""Events that a watch can still start from; older ones are compacted away."""
RECENT_EVENTS = 64
"""Events kept decoded in memory, so that an event is decoded once for all watchers."""
OWNED_METADATA = (
    "uid",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "name",
    "namespace",
    "resourceVersion",
)
"""Fields of metadata that only the store sets."""


class StoreError(Exception):
    """A request that the store refuses; `resource`, `namespace` and `name` say for which object."""

    def __init__(self, what: str, resource: str, namespace: str, name: str) -> None:
        super().__init__(f"{what}: {resource} {namespace}/{name}")
        self.resource = resource
        self.namespace = namespace
        self.name = name


class AlreadyExists(StoreError):
    """An object of that name is there already."""


class NotFound(StoreError):
    """There is no object of that name."""


class Conflict(StoreError):
    """The object has changed since the version that the writer read."""


class Expired(Exception):
    """A watch asks for events that are compacted away, or for a version that this store never gave out.

    `floor` is the oldest version that a watch can start from.
    """

    def __init__(self, since: int, floor: int) -> None:
        super().__init__(f"too old resource version: {since} ({floor})")
        self.since = since
        self.floor = floor


@dataclass(frozen=True)
class Event:
    """One change: `type` is ADDED, MODIFIED or DELETED; `obj` is shared by all watchers and must not be changed."""

    type: str
    obj: Object
    version: int
    labels_before: Object = field(default_factory=dict)
    """Labels before a MODIFIED, for watchers with a label selector."""
    wire: dict[str, bytes] = field(default_factory=dict, compare=False, repr=False)
    """Encoded forms, kept so that an event is encoded once for all watchers."""


Events = list[Event]
Objects = list[Object]
Bodies = list[bytes]


@dataclass(frozen=True)
class Change:
    """One change that is to be written: `type` as an Event's, `obj` as it becomes or last was."""

    type: str
    resource: str
    obj: Object
    labels_before: Object = field(default_factory=dict)


Changes = list[Change]


class Store:
    """Objects by resource, namespace and name.

    Args:
        path: the SQLite file; its folder is made.
        history_events: how many changes a watch can go back.
        now: gives the time of creationTimestamp, in seconds since 1970.
    """

    def __init__(
        self, path: Path, *, history_events: int = HISTORY_EVENTS, now: Callable[[], float] = time.time
    ) -> None:
        self._now = now
        self._history_events = history_events
        self._db = open_database(path)
        # Seconds since 1970 as first version: a client that still watches an earlier yard at this address gets Expired.
        self._db.execute("INSERT OR IGNORE INTO counter VALUES (1, ?1, ?1)", (int(now()),))
        self.version, self.floor = self._db.execute("SELECT version, floor FROM counter").fetchone()
        self._recent: deque[tuple[str, Event]] = deque(maxlen=RECENT_EVENTS)
        self._recent_since = self.version
        self._waiting: set[asyncio.Future[None]] = set()
        self.track_status: Callable[[str, Object, Object, str], Object] | None = None
        """(resource, present, made, now) -> made with its managedFields, for a status that our own parts write."""
        self.ending = False
        self.closed = False

    def create(self, resource: str, obj: Object, *, dry_run: bool = False) -> Object:
        """Store a new object with uid, creationTimestamp, resourceVersion and, where it has a spec, generation 1.

        Raises:
            AlreadyExists: there is one of that name.
        """
        meta = {key: value for key, value in obj["metadata"].items() if key not in ("resourceVersion", "generation")}
        namespace, name = meta.get("namespace", ""), meta["name"]
        if self._body(resource, namespace, name) is not None:
            raise AlreadyExists("exists already", resource, namespace, name)
        meta["uid"] = str(uuid.uuid4())
        meta["creationTimestamp"] = timestamp(self._now())
        if "spec" in obj:
            meta["generation"] = 1
        made = {**obj, "metadata": meta}
        return copied(made) if dry_run else self._write("ADDED", resource, made)

    def get(self, resource: str, namespace: str, name: str) -> Object:
        """The object.

        Raises:
            NotFound: there is none of that name.
        """
        body = self._body(resource, namespace, name)
        if body is None:
            raise NotFound("not found", resource, namespace, name)
        return orjson.loads(body)

    def list(self, resource: str, namespace: str | None = None) -> tuple[list[Object], int]:
        """Objects of a namespace (None: of all) ordered by namespace and name, and the version of this state."""
        bodies, version = self.list_encoded(resource, namespace)
        return [orjson.loads(body) for body in bodies], version

    def list_encoded(self, resource: str, namespace: str | None = None) -> tuple[Bodies, int]:
        """As `list`, each object as JSON."""
        where, values = ("", ()) if namespace is None else (" AND namespace = ?", (namespace,))
        rows = self._db.execute(
            f"SELECT body FROM objects WHERE resource = ?{where} ORDER BY namespace, name",  # noqa: S608
            (resource, *values),
        )
        return [body for (body,) in rows], self.version

    def replace(
        self, resource: str, obj: Object, *, expected_version: str | None = None, dry_run: bool = False
    ) -> Object:
        """Replace everything but the status; generation + 1 where the spec changed; no change keeps the version.

        An object that is being deleted goes when its last finalizer is taken away.

        Raises:
            NotFound: there is none of that name.
            Conflict: `expected_version` is given and is not the present one.
        """
        meta = obj["metadata"]
        present = self._expect(resource, meta.get("namespace", ""), meta["name"], expected_version)
        owned = {key: present["metadata"][key] for key in OWNED_METADATA if key in present["metadata"]}
        free = {key: value for key, value in meta.items() if key not in OWNED_METADATA}
        made = {**obj, "metadata": {**free, **owned}}
        made.pop("status", None)
        if "status" in present:
            made["status"] = present["status"]
        if made.get("spec") != present.get("spec"):
            made["metadata"]["generation"] = owned.get("generation", 0) + 1
        freed = present["metadata"].get("finalizers") and not made["metadata"].get("finalizers")
        if "deletionTimestamp" in owned and freed:
            return copied(made) if dry_run else self._write("DELETED", resource, made)
        return self._update(resource, present, made, dry_run=dry_run)

    def update_status(
        self,
        resource: str,
        namespace: str,
        name: str,
        status: Object,
        *,
        managed: Objects | None = None,
        expected_version: str | None = None,
        dry_run: bool = False,
    ) -> Object:
        """Replace the status only; no change keeps the version.

        `managed` are the managedFields after it; without them `track_status` tells, if there is one.

        Raises:
            NotFound: there is none of that name.
            Conflict: `expected_version` is given and is not the present one.
        """
        present = self._expect(resource, namespace, name, expected_version)
        made = {**present, "status": status}
        if managed is not None:
            made["metadata"] = {**present["metadata"], "managedFields": managed}
        elif self.track_status is not None and made != present:
            made = self.track_status(resource, present, made, timestamp(self._now()))
        return self._update(resource, present, made, dry_run=dry_run)

    def delete(
        self, resource: str, namespace: str, name: str, *, expected_version: str | None = None, dry_run: bool = False
    ) -> Object:
        """Delete at once, whatever finalizers say, and return the object as it last was.

        Raises:
            NotFound: there is none of that name.
            Conflict: `expected_version` is given and is not the present one.
        """
        present = self._expect(resource, namespace, name, expected_version)
        return present if dry_run else self._write("DELETED", resource, present)

    def mark_deleted(self, resource: str, namespace: str, name: str, *, dry_run: bool = False) -> Object:
        """Set deletionTimestamp and raise the generation, once; for an object that finalizers keep.

        Raises:
            NotFound: there is none of that name.
        """
        present = self.get(resource, namespace, name)
        meta = present["metadata"]
        if "deletionTimestamp" in meta:
            return present
        told: Object = {"deletionGracePeriodSeconds": 0, "deletionTimestamp": timestamp(self._now())}
        if "generation" in meta:
            told["generation"] = meta["generation"] + 1
        return self._update(resource, present, {**present, "metadata": meta | told}, dry_run=dry_run)

    def delete_all(self, keys: Iterable[tuple[str, str, str]]) -> Objects:
        """Delete objects by (resource, namespace, name) in one transaction, and return them as they last were.

        Raises:
            NotFound: there is none of one of the names; nothing is deleted then.
        """
        doomed = [(resource, self.get(resource, namespace, name)) for resource, namespace, name in keys]
        return self._commit([Change("DELETED", resource, obj) for resource, obj in doomed])

    def time(self) -> float:
        """Seconds since 1970, as the store tells the time."""
        return self._now()

    def events_after(self, resource: str, since: int) -> Events:
        """Changes of a resource after version `since`, oldest first.

        Raises:
            Expired: the history does not reach back so far, or `since` is of another store.
        """
        if not self.floor <= since <= self.version:
            raise Expired(since, self.floor)
        if since >= self._recent_since:
            return [event for kind, event in self._recent if kind == resource and event.version > since]
        rows = self._db.execute(
            "SELECT type, body, version, labels_before FROM history"
            " WHERE version > ? AND resource = ? ORDER BY version",
            (since, resource),
        )
        return [Event(kind, orjson.loads(body), version, orjson.loads(labels)) for kind, body, version, labels in rows]

    async def watch(self, resource: str, since: int) -> AsyncIterator[Event]:
        """Changes of a resource after version `since`, as they come; ends when the store is closed.

        Raises:
            Expired: as in `events_after`.
        """
        while not self.ending:
            events = self.events_after(resource, since)
            since = self.version
            for event in events:
                yield event
            await self.changed(since)

    async def changed(self, since: int) -> int:
        """Wait until the counter passes `since`, or once until watches are to end; the counter."""
        ending = self.ending
        while self.version <= since and self.ending == ending and not self.closed:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.add(waiter)
            try:
                await waiter
            finally:
                self._waiting.discard(waiter)
        return self.version

    def end_watches(self) -> None:
        """End every watch, present and to come; a server does it before it waits for its open answers."""
        self.ending = True
        self._wake()

    def close(self) -> None:
        """End every watch and close the file; a write after this fails."""
        self.closed = True
        self.end_watches()
        self._db.close()

    def _body(self, resource: str, namespace: str, name: str) -> bytes | None:
        row = self._db.execute(
            "SELECT body FROM objects WHERE resource = ? AND namespace = ? AND name = ?", (resource, namespace, name)
        ).fetchone()
        return row[0] if row else None

    def _expect(self, resource: str, namespace: str, name: str, version: str | None) -> Object:
        present = self.get(resource, namespace, name)
        if version is not None and version != present["metadata"]["resourceVersion"]:
            raise Conflict("changed meanwhile", resource, namespace, name)
        return present

    def _update(self, resource: str, present: Object, made: Object, *, dry_run: bool) -> Object:
        if made == present or dry_run:
            return copied(made)
        return self._write("MODIFIED", resource, made, labels_before=present["metadata"].get("labels") or {})

    def _write(self, kind: str, resource: str, obj: Object, *, labels_before: Object | None = None) -> Object:
        return self._commit([Change(kind, resource, obj, labels_before or {})])[0]

    def _commit(self, changes: Changes) -> Objects:
        if not changes:
            return []
        version, events = self.version, []
        with Transaction(self._db):
            for change in changes:
                version += 1
                events.append((change.resource, self._write_row(change, version)))
            floor = max(self.floor, version - self._history_events)
            self._db.execute("DELETE FROM history WHERE version <= ?", (floor,))
            self._db.execute("UPDATE counter SET version = ?, floor = ?", (version, floor))
        for resource, event in events:
            self._remember(resource, event)
        self.version, self.floor = version, floor
        self._wake()
        return [copied(event.obj) for _, event in events]

    def _write_row(self, change: Change, version: int) -> Event:
        meta = {**change.obj["metadata"], "resourceVersion": str(version)}
        body = orjson.dumps({**change.obj, "metadata": meta})
        key = (change.resource, meta.get("namespace", ""), meta["name"])
        if change.type == "DELETED":
            self._db.execute("DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?", key)
        else:
            self._db.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", (*key, body))
        row = (version, change.resource, change.type, body, orjson.dumps(change.labels_before))
        self._db.execute("INSERT INTO history VALUES (?, ?, ?, ?, ?)", row)
        return Event(change.type, orjson.loads(body), version, change.labels_before)

    def _remember(self, resource: str, event: Event) -> None:
        if len(self._recent) == RECENT_EVENTS:
            self._recent_since = self._recent[0][1].version
        self._recent.append((resource, event))

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)


def copied(obj: Object) -> Object:
    """A deep copy that shares nothing with the caller's object."""
    return orjson.loads(orjson.dumps(obj))


def timestamp(now: float) -> str:
    """A time in seconds since 1970 as Kubernetes writes it."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
