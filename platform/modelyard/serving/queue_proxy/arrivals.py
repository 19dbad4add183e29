"""When a request arrived at the machine, also where the event loop was busy predicting and looked later."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from modelyard.serving.queue_proxy.joined_writes import JoinedWrites

ARRIVED, SEEN, CONNECTION = "modelyard.arrived_s", "modelyard.seen_s", "modelyard.connection"
"""Keys in the ASGI scope: monotonic seconds of both, and the protocol of the connection."""

LAST_DATA_RECEIVED = struct.Struct("=I")
LAST_DATA_RECEIVED_AT, TCP_INFO_BYTES = 52, 56
"""Place of tcpi_last_data_recv (milliseconds) in struct tcp_info of linux/tcp.h, and the bytes up to its end."""
IS_LINUX = sys.platform == "linux"


class ArrivalProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol that also says when the request came.

    Linux keeps the time of the last data of each socket in ticks of a few milliseconds. Both ends are cut to ticks, so
    a single lateness may be off by a tick, while the average over requests is right. Elsewhere a request counts from
    when the loop saw it.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Keep the socket at hand; what is answered is sent at once."""
        super().connection_made(JoinedWrites(transport, self.loop))  # type: ignore[arg-type]
        self._socket = transport.get_extra_info("socket")

    def on_headers_complete(self) -> None:
        """Note the time, then hand the request on."""
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        now = time.monotonic()
        scope[SEEN] = now
        scope[ARRIVED] = now - late_s(self._socket)
        scope[CONNECTION] = self
        super().on_headers_complete()


def late_s(connection: socket.socket | None) -> float:
    """Seconds since the kernel received data on a TCP socket; 0 where it does not tell."""
    if not IS_LINUX or connection is None:
        return 0.0
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
        return LAST_DATA_RECEIVED.unpack_from(info, LAST_DATA_RECEIVED_AT)[0] / 1000
    except (OSError, struct.error):
        return 0.0


def is_gone(scope: dict[str, Any]) -> bool:
    """Whether the client of a request has left: nobody would read the answer."""
    connection = scope.get(CONNECTION)
    if connection is None:
        return False
    return connection.transport is None or connection.transport.is_closing()
