"""A closed loop of HTTP/1.1 requests over kept connections to 127.0.0.1: cheap enough not to be what is measured."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from functools import partial
from typing import cast

CONNECTIONS = 16
MOST_REQUESTS = 100_000


@dataclass(frozen=True)
class Request:
    """A POST; the port is of 127.0.0.1, there is no other host."""

    port: int
    path: str
    host: str
    body: bytes

    def encode(self) -> bytes:
        """The bytes on the wire."""
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: {self.host}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(self.body)}\r\n\r\n"
        )
        return head.encode() + self.body


@dataclass(frozen=True)
class Load:
    """What came of a loop: so many answers in so many seconds."""

    answers: int
    seconds: float

    @property
    def per_s(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds


def send(request: Request, *, seconds: float, connections: int = CONNECTIONS) -> Load:
    """Send for a bounded time; each connection sends its next request when it has its answer.

    Raises:
        ConnectionError: an answer was not 200.
    """
    import uvloop

    return uvloop.run(_load(request, seconds, connections))


async def _load(request: Request, seconds: float, connections: int) -> Load:
    loop = asyncio.get_running_loop()
    began = time.monotonic()
    until, most = began + seconds, MOST_REQUESTS // connections
    sent = request.encode()
    ends: list[asyncio.Future[int]] = [loop.create_future() for _ in range(connections)]
    for end in ends:
        await loop.create_connection(partial(_Connection, sent, until, most, end), "127.0.0.1", request.port)
    counts = await asyncio.gather(*ends)
    return Load(sum(counts), time.monotonic() - began)


class _Connection(asyncio.Protocol):
    """One connection of the loop; a protocol rather than streams, which cost three times as much a request."""

    def __init__(self, sent: bytes, until: float, most: int, end: asyncio.Future[int]) -> None:
        self._sent, self._until, self._most, self._end = sent, until, most, end
        self._answered = 0
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._sent)

    def data_received(self, data: bytes) -> None:
        """Send the next request once the answer is whole."""
        self._held += data
        try:
            if not is_whole_answer(self._held):
                return
        except ConnectionError as error:
            self._finish(error)
            return
        self._held = b""
        self._answered += 1
        if self._answered < self._most and time.monotonic() < self._until:
            self._transport.write(self._sent)
        else:
            self._finish(None)

    def connection_lost(self, error: Exception | None) -> None:
        """A connection that ends before its time ends the measurement."""
        self._finish(error or ConnectionError("the server closed a connection that was in use"))

    def _finish(self, error: Exception | None) -> None:
        if self._end.done():
            return
        if error:
            self._end.set_exception(error)
        else:
            self._end.set_result(self._answered)
        self._transport.close()


def is_whole_answer(held: bytes) -> bool:
    """Whether these bytes are one whole answer.

    Raises:
        ConnectionError: it is not 200, or does not say its length.
    """
    head, blank, body = held.partition(b"\r\n\r\n")
    if not blank:
        return False
    if not head.startswith(b"HTTP/1.1 200"):
        raise ConnectionError(f"answered {head.splitlines()[0].decode('latin-1')}")
    length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    if not length:
        raise ConnectionError("an answer without Content-Length")
    return len(body) >= int(length.group(1))
