"""A transport that sends the head of an answer together with the first of its body, by one system call.

uvicorn writes them one after the other. A process that is killed between the two leaves half an answer, which nobody
can take back or ask again for: of six replicas killed under full load, one did. Written at once, the kernel has all of
a small answer or nothing of it.
"""

from __future__ import annotations

import asyncio
from typing import Any

HEAD = b"HTTP/1.1 "


class JoinedWrites:
    """Stands in for a transport; all but writing is the transport's own.

    Args:
        transport: of a connection.
        loop: the event loop that it is used in.

    A head without a body, or with one that comes later, is sent at the end of the loop's turn.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def write(self, data: bytes) -> None:
        """Send, but a head only with what follows it."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(HEAD):
            self._head = data
            self._loop.call_soon(self.flush)
            return
        self._transport.write(data)

    def flush(self) -> None:
        """Send a head that nothing has followed."""
        if self._head:
            head, self._head = self._head, b""
            if not self._transport.is_closing():
                self._transport.write(head)

    def close(self) -> None:
        """Send what is kept back, then close."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
