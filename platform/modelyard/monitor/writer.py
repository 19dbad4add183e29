"""Group commit: one thread applies what many requests ask for, and answers them when the disk has it."""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from modelyard.monitor.store import Store

log = logging.getLogger(__name__)
Result = TypeVar("Result")
MOST_IN_A_COMMIT = 500
COMMIT_EVERY_S = 0.005
"""Commits begin at least this far apart, so that events that come close together share one; the five senders of
KServe's logger still reach several hundred events/s."""


@dataclass
class Change:
    """A change that somebody waits for; `result` or `failure` is set when the commit has come back."""

    apply: Callable[[Store], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    failure: Exception | None = None

    def tell(self) -> None:
        """Answer whoever waits; runs in the loop's thread."""
        if self.future.done():
            return
        if self.failure is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.failure)


class Writer:
    """Owner of the store's write side."""

    def __init__(self, path: Path) -> None:
        self._store = Store(path)
        self._queue: queue.SimpleQueue[Change | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="monitor-writer", daemon=True)
        self._thread.start()

    @property
    def backlog(self) -> int:
        """Requests that wait for a commit."""
        return self._queue.qsize()

    @property
    def fullest_ratio(self) -> float:
        """How full the fullest open drift window of any version is; near enough, for it is read from another thread."""
        cutters = [cutter for (_, kind), cutter in tuple(self._store.cutters.items()) if kind == "drift"]
        return max((cutter.progress_ratio for cutter in cutters), default=0.0)

    async def commit(self, apply: Callable[[Store], Result]) -> Result:
        """Apply a change and return its result once it is durable.

        Raises:
            sqlite3.Error: it could not be written (disk full); nothing of it is kept.
        """
        loop = asyncio.get_running_loop()
        change = Change(apply, loop, loop.create_future())
        self._queue.put(change)
        return await change.future

    def close(self) -> None:
        """Commit what waits, then close."""
        self._closing.set()
        self._queue.put(None)
        self._thread.join()
        self._store.close()

    def _run(self) -> None:
        try:
            while self._serve():
                pass
        except BaseException:
            log.exception("the store cannot go on: the supervisor starts the monitor again")
            logging.shutdown()
            os._exit(os.EX_SOFTWARE)

    def _serve(self) -> bool:
        """One commit; False when it was the last."""
        batch = [self._queue.get()]
        began = time.monotonic()
        while len(batch) < MOST_IN_A_COMMIT and not self._queue.empty():
            batch.append(self._queue.get())
        changes = [change for change in batch if change is not None]
        if changes:
            self._write(changes)
            tell_all(changes)
        self._closing.wait(max(0.0, began + COMMIT_EVERY_S - time.monotonic()))
        return None not in batch

    def _write(self, changes: list[Change]) -> None:
        try:
            self._store.db.execute("BEGIN IMMEDIATE")
            for change in changes:
                self._apply(change)
            self._store.db.execute("COMMIT")
        except Exception as error:
            log.exception("a commit of %d changes failed", len(changes))
            self._undo("ROLLBACK")
            for change in changes:
                change.failure = error

    def _apply(self, change: Change) -> None:
        self._store.db.execute("SAVEPOINT change")
        try:
            change.result = change.apply(self._store)
        except Exception as error:
            log.exception("a change was refused")
            change.failure = error
            self._undo("ROLLBACK TO change")
        self._store.db.execute("RELEASE change")

    def _undo(self, statement: str) -> None:
        """Take back what was written, and what memory made of it."""
        if self._store.db.in_transaction:
            self._store.db.execute(statement)
        self._store.reload()


def tell_all(changes: list[Change]) -> None:
    """Answer all that wait, with one call into their loop; a loop that is closed has nobody who waits."""

    def tell() -> None:
        for change in changes:
            change.tell()

    try:
        changes[0].loop.call_soon_threadsafe(tell)
    except RuntimeError:
        log.debug("the loop is closed")
