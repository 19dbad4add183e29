"""Asking the warm parent for replicas, from asyncio and from plain code."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from modelyard.serving.replicas.records import ReplicaSpec

ANSWER_S = 95.0
"""A little longer than the warm parent waits for a process to become a replica."""


class ReplicasAway(Exception):
    """The warm parent does not answer just now."""


class ReplicasRefused(Exception):
    """The warm parent answered that it could not do it."""


def ask_replicas(path: Path, *, deadline_s: float = 5.0) -> list[dict[str, Any]]:
    """Ask for the list of replicas once: the probe that says that the warm parent is ready.

    Raises:
        OSError: it does not answer.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as held:
        held.settimeout(deadline_s)
        held.connect(str(path))
        held.sendall(b'{"id": 0, "do": "list"}\n')
        answer = b""
        while not answer.endswith(b"\n"):
            part = held.recv(65536)
            if not part:
                raise ConnectionError(f"{path} closed the connection")
            answer += part
    return json.loads(answer.splitlines()[0])["replicas"]


class ReplicasClient:
    """One kept connection to the warm parent, made again when needed.

    Args:
        path: its Unix socket.
        on_event: called whenever it tells something, and when the connection ends.
    """

    def __init__(self, path: Path, on_event: Callable[[], None]) -> None:
        self._path = path
        self._on_event = on_event
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._last_id = 0

    async def start(self, spec: ReplicaSpec, storage: Mapping[str, str] | None = None) -> None:
        """Start a replica; returns when its process exists.

        Args:
            spec: what it is to be.
            storage: variables for the download alone, such as AWS_SECRET_ACCESS_KEY; they are written down nowhere.

        Raises:
            ReplicasAway: the warm parent does not answer.
            ReplicasRefused: it could not.
        """
        await self._ask({"do": "start", "spec": asdict(spec), "storage": dict(storage or {})})

    async def stop(self, name: str) -> None:
        """Ask a replica to end; raises as `start` does."""
        await self._ask({"do": "stop", "name": name})

    async def close(self) -> None:
        """End the connection."""
        if self._reading is not None:
            self._reading.cancel()
        if self._writer is not None:
            self._writer.close()

    async def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        writer = self._writer or await self._connect()
        self._last_id += 1
        number = self._last_id
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            writer.write(json.dumps({"id": number, **message}).encode() + b"\n")
            await writer.drain()
            told = await asyncio.wait_for(answer, ANSWER_S)
        except (OSError, TimeoutError) as error:
            raise ReplicasAway(f"the warm parent at {self._path} does not answer: {error!r}") from error
        finally:
            self._answers.pop(number, None)
        if "error" in told:
            raise ReplicasRefused(f"the warm parent refused to {message['do']}: {told['error']}")
        return told

    async def _connect(self) -> asyncio.StreamWriter:
        try:
            reader, writer = await asyncio.open_unix_connection(str(self._path), limit=2**22)
        except OSError as error:
            raise ReplicasAway(f"the warm parent at {self._path} does not answer: {error}") from error
        self._writer = writer
        self._reading = asyncio.create_task(self._read(reader))
        return writer

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                told = json.loads(line)
                waiter = self._answers.get(told.get("id", -1))
                if waiter is not None and not waiter.done():
                    waiter.set_result(told)
                else:
                    self._on_event()
        finally:
            self._writer = None
            for waiter in self._answers.values():
                if not waiter.done():
                    waiter.set_exception(ConnectionResetError("the warm parent has ended"))
            self._on_event()
