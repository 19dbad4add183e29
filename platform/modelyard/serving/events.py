"""Events (core/v1) about InferenceServices, revisions and pods: equal ones are counted, old ones go.

Behaviour as in client-go's recorder (tools/record): one object for equal events with a count, at most 25 events in a
row about one object and then one in five minutes; as on a cluster an event is kept for one hour after it was last seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modelyard.serving.store import AlreadyExists, NotFound, Store, timestamp

Object = dict[str, Any]

NORMAL, WARNING = "Normal", "Warning"
KEPT_S = 3600.0
KEPT_EVENTS = 1000
"""Events kept in all; the ones that were seen longest ago go first."""
BURST = 25.0
REFILL_PER_S = 1 / 300
"""How many events about one object are written in a row, and how many a second after that."""
LONGEST_MESSAGE = 1024

Key = tuple[str, ...]
Place = tuple[str, str]


@dataclass
class _Tokens:
    left: float
    at: float


class Recorder:
    """Writes events into the Store's resource "events".

    Args:
        store: where they go; events of an earlier process are counted on.
        component: told as the source of each event.
        now: seconds since 1970.
    """

    def __init__(
        self, store: Store, *, component: str = "modelyard-serving", now: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._component = component
        self._now = now
        self._places: dict[Key, Place] = {}
        """Where each event is, by what makes two of them equal; ordered by when they were last seen."""
        self._last_seen: dict[Key, float] = {}
        self._tokens: dict[str, _Tokens] = {}
        for event in sorted(store.list("events")[0], key=last_seen):
            self._note(key_of(event), event, last_seen(event))

    def event(self, involved: Object, type_: str, reason: str, message: str) -> None:
        """Tell that something happened to an object.

        Args:
            involved: the object, or an ObjectReference {kind, apiVersion, namespace, name, uid}.
            type_: "Normal" or "Warning".
            reason: one CamelCase word.
            message: for people; cut after 1,024 characters.
        """
        now = self._now()
        self.prune(now)
        about = reference_to(involved)
        if not self._may(about, now):
            return
        made = event_object(about, type_, reason, message, component=self._component, now=now)
        key = key_of(made)
        held = self._counted(key, made["lastTimestamp"]) or self._created(made)
        self._note(key, held, now)

    def prune(self, now: float | None = None) -> None:
        """Delete events that were last seen an hour ago, and those beyond the number that is kept."""
        now = self._now() if now is None else now
        while self._places:
            key = next(iter(self._places))
            if len(self._places) < KEPT_EVENTS and self._last_seen[key] > now - KEPT_S:
                return
            place = self._places.pop(key)
            del self._last_seen[key]
            try:
                self._store.delete("events", *place)
            except NotFound:
                continue

    def _counted(self, key: Key, at: str) -> Object | None:
        if key not in self._places:
            return None
        try:
            held = self._store.get("events", *self._places[key])
        except NotFound:
            return None
        return self._store.replace("events", {**held, "count": int(held.get("count") or 1) + 1, "lastTimestamp": at})

    def _created(self, made: Object) -> Object:
        while True:
            try:
                return self._store.create("events", made)
            except AlreadyExists:
                name, _, number = made["metadata"]["name"].rpartition(".")
                made["metadata"]["name"] = f"{name}.{int(number, 16) + 1:x}"

    def _note(self, key: Key, event: Object, at: float) -> None:
        self._places.pop(key, None)
        self._places[key] = (event["metadata"].get("namespace", ""), event["metadata"]["name"])
        self._last_seen[key] = at

    def _may(self, about: Object, now: float) -> bool:
        key = " ".join(str(about.get(part, "")) for part in ("kind", "namespace", "name", "uid"))
        held = self._tokens.setdefault(key, _Tokens(BURST, now))
        held.left, held.at = min(BURST, held.left + (now - held.at) * REFILL_PER_S), now
        if held.left < 1:
            return False
        held.left -= 1
        if len(self._tokens) > KEPT_EVENTS:
            self._tokens = {name: tokens for name, tokens in self._tokens.items() if now - tokens.at < KEPT_S}
        return True


def event_object(about: Object, type_: str, reason: str, message: str, *, component: str, now: float) -> Object:
    """A core/v1 Event about the object of an ObjectReference."""
    namespace, at = about.get("namespace") or "default", timestamp(now)
    told = message if len(message) <= LONGEST_MESSAGE else message[: LONGEST_MESSAGE - 1] + "…"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{about['name']}.{int(now * 1e9):x}", "namespace": namespace},
        "involvedObject": about,
        "type": type_,
        "reason": reason,
        "message": told,
        "source": {"component": component},
        "reportingComponent": component,
        "reportingInstance": "",
        "firstTimestamp": at,
        "lastTimestamp": at,
        "eventTime": None,
        "count": 1,
    }


def reference_to(involved: Object) -> Object:
    """The ObjectReference of an object; a reference stays what it is."""
    meta = involved.get("metadata")
    if meta is None:
        return involved
    keys = ("namespace", "name", "uid", "resourceVersion")
    held = {key: meta[key] for key in keys if meta.get(key)}
    return {"kind": involved["kind"], "apiVersion": involved["apiVersion"], **held}


def key_of(event: Object) -> Key:
    """What two events have in common that are counted as one; the object's resourceVersion is not part of it."""
    about = event.get("involvedObject") or {}
    held = [str(about.get(part, "")) for part in ("kind", "apiVersion", "namespace", "name", "uid", "fieldPath")]
    return (*held, *(str(event.get(part, "")) for part in ("type", "reason", "message")))


def last_seen(event: Object) -> float:
    """When an event was last seen, in seconds since 1970; 0 where it does not say."""
    try:
        return datetime.fromisoformat(event.get("lastTimestamp") or event["metadata"]["creationTimestamp"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return 0.0
