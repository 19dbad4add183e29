"""The warm parent (`python -m modelyard.serving.replicas`): it has done the heavy imports and forks model servers.

It answers on a Unix socket in JSON lines: `{"id": 1, "do": "start", "spec": {...}}`, `{"do": "stop", "name": n}`,
`{"do": "list"}`; each answer carries the id. When a replica has ended, every client gets `{"event": "ended", ...}`.
Single-threaded and without an event loop of asyncio, so that a fork is safe and the child can start a loop of its own.
It never predicts. Replicas survive it; the next one adopts them by pid and start time.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from modelyard.connections import connect
from modelyard.errors import ServiceFailed, YardBusy
from modelyard.serving.replicas.launchers import SPARES, Launcher, launcher_for
from modelyard.serving.replicas.records import (
    ReplicaRecord,
    ReplicaSpec,
    ended_record,
    forget_replica,
    is_alive,
    read_replica_record,
    read_replica_records,
    record_path,
    start_time_of,
    write_replica_record,
)
from modelyard.serving.replicas.replica import Folders, request_timeout_s
from modelyard.serving.replicas.rotation import remove_log, rotate_grown
from modelyard.settings import load_settings
from modelyard.waiting import wait_until

FIRST_WORD_S = 90.0
"""Seconds for a process to become a replica; a spare may have to end its imports first, on a laptop that is busy."""
TICK_S = 0.5
"""Seconds between two looks for replicas that must be killed, and for ends that no pidfd tells."""

TAIL_BYTES = 16384
"""Of a log, in which a traceback is looked for."""
KEPT_LOGS = 3
"""Logs kept of replicas of one revision that ended by themselves."""
ENDING_S = 20.0
"""Seconds that a replica without requests has to end: to send the rest of its payload log, for example."""


class WarmParent:
    """Keeps the replicas: starts and stops them when asked, reaps them, tells their ends."""

    def __init__(self, listener: socket.socket, folders: Folders, launcher: Launcher) -> None:
        self._folders = folders
        self._launcher = launcher
        self._selector = selectors.DefaultSelector()
        self._listener = listener
        self._clients: dict[socket.socket, bytes] = {}
        self._running: dict[str, ReplicaRecord] = {}
        self._pidfds: dict[str, int] = {}
        self._kill_at: dict[str, float] = {}
        self._selector.register(listener, selectors.EVENT_READ, self._accept)

    def adopt(self) -> list[str]:
        """Take on the replicas of an earlier warm parent; names of those that live."""
        for record in read_replica_records(self._folders.records, now=time.time()):
            if record.state == "exited":
                write_replica_record(self._folders.records, replace(record, noted=True))
            else:
                self._watch(record)
        return sorted(self._running)

    def run_once(self, timeout_s: float = TICK_S) -> None:
        """Handle what has happened since the last call."""
        for key, _ in self._selector.select(timeout_s):
            key.data(key.fileobj)
        for name, record in list(self._running.items()):
            if name not in self._pidfds and not is_alive(record):
                self._ended(name)
                continue
            rotate_grown(self._folders.log(name))
            if self._kill_at.get(name, float("inf")) < time.monotonic():
                self._signal(record, signal.SIGKILL)

    def start(self, spec: ReplicaSpec, storage: Mapping[str, str] | None = None) -> ReplicaRecord:
        """Fork a replica and wait until it has written its record."""
        if spec.name in self._running:
            return self._running[spec.name]
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(("127.0.0.1", 0))
            pid = self._launcher.launch(spec, listening, storage or {})
        record = self._first_word(spec, pid)
        self._watch(record)
        return record

    def stop(self, name: str, grace_s: float | None = None) -> bool:
        """Ask a replica to end; SIGKILL follows after `grace_s` seconds. False where there is none.

        Args:
            name: of the replica.
            grace_s: None = what its requests may take, and some time to end.
        """
        record = self._running.get(name)
        if record is None:
            return False
        if grace_s is None:
            grace_s = request_timeout_s(record.spec) + ENDING_S
        self._kill_at.setdefault(name, time.monotonic() + grace_s)
        self._signal(record, signal.SIGTERM)
        return True

    def _first_word(self, spec: ReplicaSpec, pid: int) -> ReplicaRecord:
        path = record_path(self._folders.records, spec.name)

        def written() -> ReplicaRecord | None:
            found = read_replica_record(path)
            if found is not None and found.pid == pid:
                return found
            if start_time_of(pid) is None:
                raise ServiceFailed(f"process {pid} ended before it became replica {spec.name}: {reaped(pid)}")
            return None

        return wait_until(
            written, what=f"replica {spec.name} to write {path}", deadline_s=FIRST_WORD_S, interval_s=0.002
        )

    def _watch(self, record: ReplicaRecord) -> None:
        self._running[record.name] = record
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(ProcessLookupError):
                fd = os.pidfd_open(record.pid)
                self._pidfds[record.name] = fd
                self._selector.register(fd, selectors.EVENT_READ, lambda _fd, name=record.name: self._ended(name))

    def _ended(self, name: str) -> None:
        record = self._running.pop(name)
        fd = self._pidfds.pop(name, None)
        if fd is not None:
            self._selector.unregister(fd)
            os.close(fd)
        asked = self._kill_at.pop(name, None) is not None
        last_words = read_replica_record(record_path(self._folders.records, name)) or record
        log = tail(self._folders.log(name))
        last = ended_record(last_words, exit_code=reaped(record.pid), now=time.time(), log=log)
        write_replica_record(self._folders.records, replace(last, stopping=asked))
        print(f"replica {name} pid {record.pid} ended, exit code {last.exit_code}, {last.reason}", flush=True)
        self._sweep_logs(last.spec, asked=asked)
        self._tell({"event": "ended", "name": name, "exit_code": last.exit_code})

    def _sweep_logs(self, spec: ReplicaSpec, *, asked: bool) -> None:
        """Remove the log of a replica that ended in order, and all but the last few of those that did not."""
        logs = sorted(self._folders.logs.glob(f"{spec.revision}-*.log"), key=lambda path: path.stat().st_mtime)
        ended = [path for path in logs if path.stem not in self._running]
        surplus = [path for path in ended if path.stem == spec.name] if asked else ended[:-KEPT_LOGS]
        for path in surplus:
            remove_log(path)

    def _signal(self, record: ReplicaRecord, number: int) -> None:
        if is_alive(record):
            with contextlib.suppress(ProcessLookupError):
                os.kill(record.pid, number)

    def _accept(self, listener: socket.socket) -> None:
        client, _ = listener.accept()
        client.settimeout(5)
        self._clients[client] = b""
        self._selector.register(client, selectors.EVENT_READ, self._receive)

    def _receive(self, client: socket.socket) -> None:
        try:
            part = client.recv(65536)
        except OSError:
            part = b""
        if not part:
            self._drop(client)
            return
        *lines, self._clients[client] = (self._clients[client] + part).split(b"\n")
        for line in lines:
            self._send(client, self._answer(line))

    def _answer(self, line: bytes) -> dict[str, Any]:
        asked: dict[str, Any] = {}
        try:
            asked = json.loads(line)
            return {"id": asked.get("id"), **self._do(asked)}
        except Exception as error:
            # Not the line itself: it may hold credentials.
            print(f"refused to {asked.get('do')!r}: {error!r}", file=sys.stderr, flush=True)
            return {"id": asked.get("id"), "error": f"{type(error).__name__}: {error}"}

    def _do(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked["do"] == "start":
            record = self.start(ReplicaSpec(**asked["spec"]), asked.get("storage"))
            print(f"replica {record.name} pid {record.pid} port {record.port} started", flush=True)
            return {"replica": asdict(record)}
        if asked["do"] == "stop":
            return {"stopping": self.stop(asked["name"], asked.get("grace_s"))}
        if asked["do"] == "forget":
            forget_replica(self._folders.records, asked["name"])
            return {}
        if asked["do"] == "list":
            return {"replicas": [asdict(r) for r in read_replica_records(self._folders.records, now=time.time())]}
        raise ValueError(f"cannot do {asked['do']!r}: start, stop, list")

    def _tell(self, event: dict[str, Any]) -> None:
        for client in list(self._clients):
            self._send(client, event)

    def _send(self, client: socket.socket, message: dict[str, Any]) -> None:
        try:
            client.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self._drop(client)

    def _drop(self, client: socket.socket) -> None:
        if self._clients.pop(client, None) is not None:
            self._selector.unregister(client)
            client.close()


def tail(path: Path) -> str:
    """The end of a log, empty where there is none."""
    try:
        with path.open("rb") as held:
            held.seek(0, os.SEEK_END)
            held.seek(max(0, held.tell() - TAIL_BYTES))
            return held.read().decode(errors="replace")
    except OSError:
        return ""


def reaped(pid: int) -> int | None:
    """Exit code of a child that has ended, 128 + N for signal N; None for somebody else's child."""
    try:
        _, status = os.waitpid(pid, 0)
    except ChildProcessError:
        return None
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


@contextlib.contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Hold a lock file as long as this process lives.

    Raises:
        ServiceFailed: another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise YardBusy(f"another process holds {path}", next_command="./invoke down && ./invoke up") from error
        yield


def listen(path: Path) -> socket.socket:
    """A Unix socket of mode 0600 in a folder of mode 0700."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(16)
    return listener


def main(platform: str = sys.platform, spares: int = SPARES) -> None:
    """Run the warm parent of the yard in MODELYARD_FOLDER until SIGTERM; replicas live on.

    Args:
        platform: whose way of making processes is taken.
        spares: how many processes wait where they are not forked.
    """
    conn = connect()
    data = conn.layout.data("serving")
    allowed = (conn.layout.workspace, *load_settings().model_paths)
    folders = Folders(records=data / "replicas", cache=data / "models", logs=conn.layout.logs, models=allowed)
    for folder in (folders.records, folders.cache, folders.logs):
        folder.mkdir(parents=True, exist_ok=True)
    with only_one(data / "replicas.lock"):
        launcher = launcher_for(platform, folders, spares=spares)
        listener = listen(conn.layout.socket("replicas"))
        parent = WarmParent(listener, folders, launcher)
        print(f"warm; adopted {parent.adopt()}", flush=True)
        ending: list[int] = []
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda received, _frame: ending.append(received))
        while not ending:
            parent.run_once()
        launcher.close()
