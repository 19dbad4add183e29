"""The activator (`python -m modelyard.serving.activator`): holds the requests of revisions that have no replica.

Envoy sends it what no ready replica can take. It listens on two Unix sockets of mode 0600: HTTP for Envoy, JSON lines
for the control plane. It lives on when the control plane dies, and keeps what it holds. Without the header that names
a revision, a request is for the activator itself: /metrics and /healthz.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import resource
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import orjson
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from modelyard.serving.activator import metrics as activator_metrics
from modelyard.serving.activator.messages import (
    LINE_LIMIT_BYTES,
    NAMESPACE_HEADER,
    REVISION_HEADER,
    Key,
    Report,
    TableEntry,
    encode_poke,
    encode_report,
    parse_table,
)
from modelyard.serving.activator.proxy import Proxy, Receive, Send
from modelyard.serving.activator.queue import QUEUE_LIMIT, Dropped, RevisionGone, RevisionQueue
from modelyard.serving.queue_proxy.joined_writes import JoinedWrites
from modelyard.yard.lock import take

REPORT_S = 1.0
RETRY_POLL_S = 0.05
BACKLOG = 4096
NAMESPACE, REVISION = NAMESPACE_HEADER.lower().encode(), REVISION_HEADER.lower().encode()


class Activator:
    """Every revision's queue, the ASGI app in front of them, and the control plane's connections."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.queues: dict[Key, RevisionQueue] = {}
        self.last: dict[Key, Report] = {}
        self._proxy = Proxy(self.queue, time.monotonic)
        self._writers: set[asyncio.StreamWriter] = set()
        self._told: set[Key] = set()

    def queue(self, key: Key) -> RevisionQueue:
        """The queue of a revision."""
        held = self.queues.get(key)
        if held is None:
            held = self.queues[key] = RevisionQueue(key, self._poke, now=time.monotonic(), limit=self._limit)
        return held

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """ASGI."""
        headers = dict(scope["headers"])
        if NAMESPACE in headers and REVISION in headers:
            key = headers[NAMESPACE].decode("latin-1"), headers[REVISION].decode("latin-1")
            await self._proxy.serve(key, scope, receive, send)
        elif scope["path"] == "/metrics":
            await _plain(send, 200, activator_metrics.exposition(self.queues, self.last))
        else:
            await _plain(send, 200 if scope["path"] == "/healthz" else 404, b"")

    async def control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the control plane."""
        self._writers.add(writer)
        try:
            first = True
            while line := await reader.readline():
                self.take(parse_table(orjson.loads(line)["table"]), first=first)
                first = False
        except OSError:
            pass
        except Exception:
            traceback.print_exc()
        finally:
            self._writers.discard(writer)
            writer.close()

    def take(self, table: list[TableEntry], *, first: bool = False) -> None:
        """Take the whole table; `first`: of a control plane that does not know yet what is held."""
        now = time.monotonic()
        told = {entry.key: entry for entry in table}
        for key in self._told - set(told):
            self.queue(key).lose(now)
        for key, entry in told.items():
            self.queue(key).tell(entry, now)
        self._told = set(told)
        if first:
            for queue in self.queues.values():
                if queue.queued and not queue.replicas:
                    queue.poke()

    async def report_forever(self) -> None:
        """Tell each second what happened; meanwhile try replicas again that broke off, and give up what is gone."""
        next_report_s = time.monotonic() + REPORT_S
        while True:
            await asyncio.sleep(RETRY_POLL_S)
            now = time.monotonic()
            for queue in self.queues.values():
                if queue.queued:
                    queue.dispatch(now)
                if queue.is_gone(now):
                    queue.end(RevisionGone)
            if now >= next_report_s:
                next_report_s = max(next_report_s + REPORT_S, now)
                self._report(now)

    async def close(self) -> None:
        """End what is held, without an answer, and the connections."""
        self.drop()
        for writer in self._writers:
            writer.close()
        await self._proxy.close()

    def drop(self) -> None:
        """End every request that waits, so that Envoy asks again, and finds the next activator."""
        for queue in self.queues.values():
            queue.end(Dropped)

    def _report(self, now: float) -> None:
        reports = {key: queue.report(now) for key, queue in self.queues.items()}
        told = {key: report for key, report in reports.items() if report is not None}
        self.last = {key: Report(0, 0, 0.0, 0.0) for key in self.queues} | told
        if told:
            self._tell(encode_report(told))
        self._forget()

    def _forget(self) -> None:
        for key in [key for key, queue in self.queues.items() if queue.is_idle and key not in self._told]:
            del self.queues[key]

    def _poke(self, key: Key) -> None:
        self._tell(encode_poke(key))

    def _tell(self, line: bytes) -> None:
        for writer in self._writers:
            if not writer.is_closing():
                writer.write(line)


class Server(uvicorn.Server):
    """Lets go of what is held when it is told to stop; requests that are being answered may end."""

    def __init__(self, config: uvicorn.Config, activator: Activator) -> None:
        super().__init__(config)
        self._activator = activator
        self._loop = asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called as a signal handler."""
        self.should_exit = True
        self._loop.call_soon_threadsafe(self._activator.drop)


class AtOnceProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with answers that are sent whole, or not at all if this process is killed."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Put the joining in between."""
        super().connection_made(JoinedWrites(transport, self.loop))  # type: ignore[arg-type]


async def _plain(send: Send, status: int, body: bytes) -> None:
    headers = [
        (b"content-type", b"text/plain; version=0.0.4; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def serve(http: Path, control: Path, limit: int) -> None:
    """Serve until SIGTERM."""
    activator = Activator(limit)
    listener = listen(control)
    controlling = await asyncio.start_unix_server(activator.control, sock=listener, limit=LINE_LIMIT_BYTES)
    reporting = asyncio.create_task(activator.report_forever())
    config = uvicorn.Config(
        activator,
        http=AtOnceProtocol,
        log_level="critical",
        access_log=False,
        lifespan="off",
        ws="none",
        backlog=BACKLOG,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=3600,
        timeout_graceful_shutdown=3,
    )
    try:
        await Server(config, activator).serve(sockets=[listen(http)])
    finally:
        reporting.cancel()
        controlling.close()
        await activator.close()


def listen(path: Path) -> socket.socket:
    """A Unix socket of mode 0600 in a folder of mode 0700."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


@contextlib.contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Hold a lock file as long as this process lives; exit where another process holds it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("a") as held:
        if not take(held.fileno()):
            sys.exit(f"another process holds {path}; next: ./invoke down && ./invoke up")
        yield


def raise_limit_of_files() -> None:
    """A held request is an open socket, and a forwarded one two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> None:
    """Run the activator on the two sockets that the command line names."""
    parser = argparse.ArgumentParser(prog="modelyard.serving.activator")
    parser.add_argument("--socket", type=Path, required=True, help="Unix socket for Envoy")
    parser.add_argument("--control", type=Path, required=True, help="Unix socket for the control plane")
    parser.add_argument("--limit", type=int, default=QUEUE_LIMIT, help="requests of one revision at a time")
    told = parser.parse_args()
    raise_limit_of_files()
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    import uvloop

    with only_one(told.control.with_suffix(".lock")), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(told.socket, told.control, told.limit))
