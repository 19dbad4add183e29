"""The control plane's connection to the activator; it makes itself again for as long as it is wanted."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

import orjson

from modelyard.serving.activator.messages import (
    LINE_LIMIT_BYTES,
    Key,
    Report,
    TableEntry,
    encode_table,
    parse_report,
)

AGAIN_S = 0.2
"""Seconds between two attempts to connect."""


class ActivatorClient:
    """Tells the activator the table, and hears its pokes and reports.

    Args:
        path: the activator's control socket.
        on_poke: a request has come for a revision without a replica.
        on_report: once a second while there are requests, and once when the last is gone.

    Made inside a running event loop. Without an activator nothing fails: what was told last is told when it is back.
    """

    def __init__(
        self, path: Path, on_poke: Callable[[Key], None], on_report: Callable[[dict[Key, Report]], None]
    ) -> None:
        self._path = path
        self._on_poke = on_poke
        self._on_report = on_report
        self._table: bytes | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._running: asyncio.Task[None] | None = None

    async def tell(self, table: Iterable[TableEntry]) -> None:
        """Tell the whole table; equal to the last one, it is not sent again."""
        line = encode_table(table)
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        if line == self._table:
            return
        self._table = line
        await self._send()

    async def close(self) -> None:
        """End the connection."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    async def _send(self) -> None:
        if self._writer is None or self._table is None:
            return
        try:
            self._writer.write(self._table)
            await self._writer.drain()
        except OSError:
            return  # it is told again at the next connection

    async def _run(self) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._path), limit=LINE_LIMIT_BYTES)
            except OSError:
                await asyncio.sleep(AGAIN_S)
                continue
            self._writer = writer
            try:
                await self._send()
                await self._hear(reader)
            except OSError:
                pass  # it has ended; the next one is told anew
            except Exception:
                traceback.print_exc()
                await asyncio.sleep(AGAIN_S)
            finally:
                self._writer = None
                writer.close()

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            told = orjson.loads(line)
            if "poke" in told:
                self._on_poke((told["poke"]["namespace"], told["poke"]["revision"]))
            if "report" in told:
                self._on_report(parse_report(told["report"]))
