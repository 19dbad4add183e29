"""A closed loop of HTTP/1.1 requests over kept connections to 127.0.0.1: cheap enough not to be what is measured."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

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


def requests_per_s(request: Request, *, seconds: float, connections: int = CONNECTIONS) -> float:
    """Answers a second over a bounded time; each connection sends its next request when it has its answer.

    Raises:
        ConnectionError: an answer was not 200.
    """
    import uvloop

    return uvloop.run(_load(request, seconds, connections))


async def _load(request: Request, seconds: float, connections: int) -> float:
    began = time.monotonic()
    counts = await asyncio.gather(
        *(_one_connection(request, began + seconds, MOST_REQUESTS // connections) for _ in range(connections))
    )
    return sum(counts) / (time.monotonic() - began)


async def _one_connection(request: Request, until: float, most: int) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", request.port)
    sent = request.encode()
    answered = 0
    try:
        while answered < most and time.monotonic() < until:
            writer.write(sent)
            await _read_answer(reader)
            answered += 1
    finally:
        writer.close()
    return answered


async def _read_answer(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise ConnectionError(f"answered {head.splitlines()[0].decode('latin-1')}")
    for line in head.splitlines()[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            await reader.readexactly(int(value))
            return
    raise ConnectionError("an answer without Content-Length")
