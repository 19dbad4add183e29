"""Watches: a stream of events, one JSON line each, from a version on or from the present state."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson

from modelyard.serving.api import errors
from modelyard.serving.api.query import WatchOptions
from modelyard.serving.api.representations import Encoder
from modelyard.serving.api.selectors import Selection
from modelyard.serving.store import Event, Expired, Store

Object = dict[str, Any]

BOOKMARK_PERIOD_S = 60.0
"""As recorded from a real cluster."""


@dataclass(frozen=True)
class Watched:
    """What is watched, and how its events are written."""

    stored: str
    namespace: str | None
    selection: Selection
    encoder: Encoder


def decide_type(event: Event, selection: Selection) -> str | None:
    """The type under which a watcher with this selection sees the event; None: not at all.

    An object that begins to match is ADDED for this watcher, and one that ceases to is DELETED.
    """
    matches = selection.matches(event.obj)
    if event.type != "MODIFIED":
        return event.type if matches else None
    matched = selection.matches(event.obj, labels=event.labels_before)
    if matches:
        return "MODIFIED" if matched else "ADDED"
    return "DELETED" if matched else None


async def stream(store: Store, watched: Watched, options: WatchOptions) -> AsyncIterator[bytes]:
    """Lines of a watch; ends after its timeout, with the server, or after an ERROR when the version is too old."""
    now = asyncio.get_running_loop().time
    end = now() + options.timeout_s if options.timeout_s else math.inf
    bookmark_at = now() + BOOKMARK_PERIOD_S
    since = store.version if options.since is None else options.since
    if options.since is None:
        for line in _present(store, watched, options):
            yield line
    while not store.ending:
        try:
            events = store.events_after(watched.stored, since)
        except Expired as error:
            yield _line({"type": "ERROR", "object": errors.expired(error).body()})
            return
        since = store.version
        for event in events:
            seen = _seen(event, watched)
            if seen is not None:
                yield seen
        # Changes of other kinds wake a watch too, so a bookmark has its own time.
        if now() >= min(bookmark_at, end):
            if options.bookmarks:
                yield _line({"type": "BOOKMARK", "object": watched.encoder.bookmark(since, initial_end=False)})
            if now() >= end:
                return
            bookmark_at = now() + BOOKMARK_PERIOD_S
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(min(bookmark_at, end)):
                await store.changed(since)


def _present(store: Store, watched: Watched, options: WatchOptions) -> list[bytes]:
    items, version = store.list(watched.stored, watched.namespace)
    lines = [
        _line({"type": "ADDED", "object": watched.encoder.one(item)})
        for item in items
        if watched.selection.matches(item)
    ]
    if options.initial_events_end:
        lines.append(_line({"type": "BOOKMARK", "object": watched.encoder.bookmark(version, initial_end=True)}))
    return lines


def _seen(event: Event, watched: Watched) -> bytes | None:
    if watched.namespace is not None and event.obj["metadata"].get("namespace") != watched.namespace:
        return None
    kind = decide_type(event, watched.selection)
    if kind is None:
        return None
    key = f"{kind} {watched.encoder.key}"
    if key not in event.wire:
        event.wire[key] = _line({"type": kind, "object": watched.encoder.one(event.obj)})
    return event.wire[key]


def _line(event: Object) -> bytes:
    return orjson.dumps(event) + b"\n"
