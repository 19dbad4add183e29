"""The activator's HTTP side: holds a request until its revision has a replica with room, and forwards it.

Raw ASGI under uvicorn, aiohttp towards the replicas: both stream, and a held request costs a task and its body.

A request is sent again where a replica refuses the connection or breaks off before it answers, because `predict` is a
pure function; how often is bounded (MAX_BREAKS), so that a request that kills what answers it cannot kill many.
Source: knative serving v0.50, pkg/activator/handler/handler.go.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from multidict import CIMultiDict
from yarl import URL

from modelyard.serving.activator.messages import DEFAULT_TIMEOUT_S, NAMESPACE_HEADER, REVISION_HEADER, Key
from modelyard.serving.activator.queue import Dropped, Place, QueueFull, RevisionGone, RevisionQueue

Message = MutableMapping[str, Any]
Receive = Callable[[], Any]
Send = Callable[[Message], Any]

KEPT_BODY_BYTES = 2**20
"""Of a request's body that is kept to be sent again; Envoy keeps as much. The rest waits in the sockets, unread."""
KEPT_IN_ALL_BYTES = 256 * 2**20
"""Of all bodies together; beyond it a request is answered 503."""
MAX_BREAKS = 3
"""Replicas that may break off while they answer one and the same request, Envoy's own attempt among them: one that was
killed, one more in the same moment (Envoy counts a refused connection too), and a last one."""
RETRY_AFTER_S = 5
ENVOY_MARGIN_S = 1.0
"""Before Envoy's own deadline, so that the answer is ours."""
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding"
    b" upgrade expect".split()
)
OURS = frozenset((NAMESPACE_HEADER.lower().encode(), REVISION_HEADER.lower().encode(), b"k-proxy-request"))
"""Headers that only the gateway and the activator set; upstream's activator takes them off too."""
NUMBERED = re.compile(r"-predictor-\d+$")

REFUSED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
BROKEN = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)


class ClientLeft(Exception):
    """Nobody waits for the answer any more."""


class Broken(Exception):
    """The replica broke off before it answered. `begun`: it may have seen the request."""

    def __init__(self, how: str, *, begun: bool) -> None:
        super().__init__(how)
        self.begun = begun


def forwarded_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Headers of a request or an answer without those of the connection and those of ours."""
    headers = list(headers)
    named = {
        name.strip().lower() for key, value in headers if key.lower() == b"connection" for name in value.split(b",")
    }
    dropped = HOP_BY_HOP | OURS | named
    return [(key, value) for key, value in headers if key.lower() not in dropped]


def breaks_before(attempt: bytes | None) -> int:
    """How many replicas this request may have broken already; `attempt` is Envoy's count, which begins at 1.

    Envoy does not say whether the replica had begun. It tries one replica and then the activator; only without an
    activator does it go on, and then at least one more may be tried.
    """
    number = int(attempt) if attempt and attempt.isdigit() else 1
    return min(max(0, number - 1), MAX_BREAKS - 1)


def timeout_of(told_s: float | None, expected_ms: bytes | None) -> float:
    """Seconds that a request may take here: the route's, or what Envoy has left of it."""
    left_s = told_s if told_s is not None else DEFAULT_TIMEOUT_S
    if expected_ms and expected_ms.isdigit():
        left_s = min(left_s, max(0.0, int(expected_ms) / 1000 - ENVOY_MARGIN_S))
    return left_s


class Body:
    """A request's body, read up to a bound; then the end of the client's connection is watched for.

    Args:
        receive: ASGI's.
        on_left: called when the client has gone while nobody reads.
    """

    def __init__(self, receive: Receive, on_left: Callable[[], object]) -> None:
        self._receive = receive
        self._on_left = on_left
        self._watching: asyncio.Task[None] | None = None
        self.kept = b""
        self.complete = False
        self.held_bytes = 0
        self.used_up = False
        self.left = False

    async def read(self, count: Callable[[int], None]) -> None:
        """Read until the end or the bound; `count` is told the bytes of each part, counts them, and may raise.

        Raises:
            ClientLeft: it has.
        """
        parts: list[bytes] = []
        while not self.complete and self.held_bytes < KEPT_BODY_BYTES:
            parts.append(await self._next())
            self.held_bytes += len(parts[-1])
            count(len(parts[-1]))
        self.kept = b"".join(parts)
        if self.complete:
            self._watching = asyncio.create_task(self._watch())

    def content(self) -> bytes | AsyncIterator[bytes] | None:
        """To send; a body that was not kept whole can be sent once."""
        if self.complete and len(self.kept) < KEPT_BODY_BYTES:
            return self.kept or None
        return self._stream()

    def close(self) -> None:
        """Watch no longer."""
        if self._watching is not None:
            self._watching.cancel()

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.left = True
            raise ClientLeft
        self.complete = not message.get("more_body", False)
        return message.get("body", b"")

    async def _stream(self) -> AsyncIterator[bytes]:
        yield self.kept
        while not self.complete:
            self.used_up = True
            yield await self._next()

    async def _watch(self) -> None:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.left = True
            self._on_left()


@dataclass
class Exchange:
    """One request on its way: whose it is, its body, and what it waits for just now (empty: for a replica).

    `breaks` counts the replicas that have broken off while they answered it.
    """

    queue: RevisionQueue
    scope: Mapping[str, Any]
    send: Send
    body: Body
    breaks: int
    timeout_s: float
    waits_for: str = "the rest of the request"

    @property
    def name(self) -> str:
        """The revision's, with its namespace."""
        return "/".join(self.queue.key)


class Proxy:
    """Takes requests for revisions.

    Args:
        revisions: finds the queue of a revision, or makes it.
        now: monotonic seconds.
    """

    def __init__(self, revisions: Callable[[Key], RevisionQueue], now: Callable[[], float]) -> None:
        self._revisions = revisions
        self._now = now
        self._kept_bytes = 0
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=15.0, use_dns_cache=False),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=1.0),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            max_line_size=65536,
            max_field_size=65536,
        )

    async def close(self) -> None:
        """End the connections to the replicas."""
        await self._session.close()

    async def serve(self, key: Key, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request for a revision."""
        queue = self._revisions(key)
        try:
            queue.enter(self._now())
        except QueueFull:
            told = f"{queue.limit} requests for {key[0]}/{key[1]} wait already, which is the most that may"
            await answer(send, 503, told, key, retry_after_s=RETRY_AFTER_S)
            return
        exchange = self._exchange(queue, scope, receive, send)
        try:
            await self._hold_and_forward(exchange)
        except asyncio.CancelledError:
            if not exchange.body.left:
                raise
        finally:
            exchange.body.close()
            self._kept_bytes -= exchange.body.held_bytes
            queue.leave(self._now())

    def _exchange(self, queue: RevisionQueue, scope: Mapping[str, Any], receive: Receive, send: Send) -> Exchange:
        headers = dict(scope["headers"])
        task = asyncio.current_task()
        body = Body(receive, on_left=lambda: task.cancel() if task else None)
        told_s = queue.entry.timeout_s if queue.entry else None
        timeout_s = timeout_of(told_s, headers.get(b"x-envoy-expected-rq-timeout-ms"))
        return Exchange(queue, scope, send, body, breaks_before(headers.get(b"x-envoy-attempt-count")), timeout_s)

    async def _hold_and_forward(self, exchange: Exchange) -> None:
        key, send, name = exchange.queue.key, exchange.send, exchange.name
        try:
            async with asyncio.timeout(exchange.timeout_s) as deadline:
                await exchange.body.read(self._keep)
                await self._try_replicas(exchange, deadline)
        except TimeoutError:
            waited_for = exchange.waits_for or exchange.queue.wanting()
            told = f"{name}: {exchange.timeout_s:g} s have gone by without {waited_for}"
            await answer(send, 504, told, key)
        except QueueFull:
            told = f"the requests that wait hold {KEPT_IN_ALL_BYTES >> 20} MiB already, which is the most that they may"
            await answer(send, 503, told, key, retry_after_s=RETRY_AFTER_S)
        except RevisionGone:
            await answer(send, 503, f"revision {name} is gone", key)
        except Broken as broken:
            await answer(send, 502, f"{name}: replicas broke off while they answered this request: {broken}", key)
        except (ClientLeft, Dropped):
            return  # without an answer, which ends the connection

    def _keep(self, size: int) -> None:
        self._kept_bytes += size
        if self._kept_bytes > KEPT_IN_ALL_BYTES:
            raise QueueFull

    async def _try_replicas(self, exchange: Exchange, deadline: asyncio.Timeout) -> None:
        """Forward to one replica after the other until one answers.

        Raises:
            Broken: as many broke off as may.
        """
        while True:
            exchange.waits_for = ""
            place = await self._place(exchange)
            exchange.waits_for = f"an answer of its replica on port {place.replica.result().port}"
            try:
                return await self._forward(exchange, place, deadline)
            except Broken as broken:
                exchange.breaks += broken.begun
                if exchange.breaks >= MAX_BREAKS or exchange.body.used_up:
                    raise

    async def _place(self, exchange: Exchange) -> Place:
        """Wait for a replica with room; it has that again if the caller is cancelled meanwhile."""
        place = Place(asyncio.get_running_loop().create_future(), again=exchange.breaks > 0)
        exchange.queue.wait(place, self._now())
        try:
            await place.replica
        except asyncio.CancelledError:
            exchange.queue.give_up(place, self._now())
            raise
        return place

    async def _forward(self, exchange: Exchange, place: Place, deadline: asyncio.Timeout) -> None:
        """Send the request to a replica and its answer back.

        Raises:
            Broken: it did not answer, and nothing has been sent back.
        """
        scope, replica = exchange.scope, place.replica.result()
        answered = False
        try:
            async with self._session.request(
                scope["method"],
                _url(replica.port, scope),
                headers=_headers_to_replica(scope["headers"]),
                data=exchange.body.content(),
                allow_redirects=False,
            ) as response:
                answered = True
                deadline.reschedule(None)
                await _send_back(response, exchange.send)
        except REFUSED as error:
            replica.suspect(self._now())
            raise Broken(str(error), begun=False) from error
        except BROKEN as error:
            if exchange.body.left:
                raise ClientLeft from error
            replica.suspect(self._now())
            if not answered:
                raise Broken(f"{type(error).__name__} on port {replica.port}", begun=True) from error
            # The answer has begun: the connection ends without its rest, and the client sees that.
        finally:
            exchange.queue.release(place, self._now(), answered=answered)


def _url(port: int, scope: Mapping[str, Any]) -> URL:
    query = scope["query_string"].decode("latin-1")
    path = (scope.get("raw_path") or b"/").decode("latin-1")
    return URL(f"http://127.0.0.1:{port}{path}{'?' + query if query else ''}", encoded=True)


def _headers_to_replica(headers: Iterable[tuple[bytes, bytes]]) -> CIMultiDict[str]:
    held = CIMultiDict((k.decode("latin-1"), v.decode("latin-1")) for k, v in forwarded_headers(headers))
    held["K-Proxy-Request"] = "activator"
    return held


async def _send_back(response: aiohttp.ClientResponse, send: Send) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": response.status,
            "headers": [(key.lower(), value) for key, value in forwarded_headers(response.raw_headers)],
        }
    )
    async for part in response.content.iter_any():
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def answer(send: Send, status: int, error: str, key: Key, *, retry_after_s: int = 0) -> None:
    """A JSON answer of the activator itself, with the command that a person types next."""
    name = NUMBERED.sub("", key[1])
    body = orjson.dumps({"error": error, "next": f"kubectl describe inferenceservice {name} -n {key[0]}"}) + b"\n"
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if retry_after_s:
        headers.append((b"retry-after", str(retry_after_s).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
