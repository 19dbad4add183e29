"""The endpoint of the events, as plain ASGI: it is called hundreds of times a second beside the model servers."""

from __future__ import annotations

import logging
import secrets
import sqlite3
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson

from modelyard.monitor.cloudevents import Event, EventInvalid, read_binary, read_json
from modelyard.monitor.store import Store
from modelyard.monitor.writer import Writer

log = logging.getLogger(__name__)
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Receive, Send], Awaitable[None]]

LARGEST_BODY_BYTES = 64 * 1024 * 1024
JSON_MODES = (b"application/cloudevents+json", b"application/cloudevents-batch+json")
PREFIX = "/events/"


class Ingest:
    """Takes POSTs below /events/ and leaves everything else to the app that it stands before.

    The last part of the path stands in for a token: KServe's agent can send no header.
    """

    def __init__(self, app: App, writer: Writer, event_path: str) -> None:
        self._app, self._writer = app, writer
        self._path = f"{PREFIX}{event_path}".encode()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """The ASGI entry."""
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        status, told = await self._take(scope, receive)
        body = orjson.dumps({"error": told}) if told else b""
        headers = [(b"content-length", str(len(body)).encode()), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _take(self, scope: Any, receive: Receive) -> tuple[int, str]:
        if not secrets.compare_digest(scope["path"].encode(), self._path):
            return 404, "no such path"
        if scope["method"] != "POST":
            return 405, "events are posted"
        body = await read_body(receive)
        if body is None:
            return 413, f"a body may have {LARGEST_BODY_BYTES} bytes"
        try:
            events = read_events(scope["headers"], body)
        except EventInvalid as error:
            return 400, f"not a CloudEvent: {error}"
        return await self._keep(events)

    async def _keep(self, events: list[Event]) -> tuple[int, str]:
        now = time.time()
        try:
            await self._writer.commit(lambda store: _add(store, events, now))
        except sqlite3.Error as error:
            return 503, f"not kept: {error}"
        except Exception as error:
            return 500, f"not kept: {type(error).__name__}"
        return 202, ""


def read_events(headers: list[tuple[bytes, bytes]], body: bytes) -> list[Event]:
    """Events of a request in binary, structured or batched mode.

    Raises:
        EventInvalid: it is none of them.
    """
    kind = next((value for name, value in headers if name == b"content-type"), b"")
    if kind.partition(b";")[0].strip().lower() in JSON_MODES:
        return read_json(body)
    return [read_binary(headers, body)]


async def read_body(receive: Receive) -> bytes | None:
    """The whole body, or None where it is too large or the client has gone."""
    pieces: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        piece, more = message.get("body", b""), message.get("more_body", False)
        size += len(piece)
        if size > LARGEST_BODY_BYTES:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def _add(store: Store, events: list[Event], now: float) -> None:
    for event in events:
        store.add_event(event, now)
