"""Group commit: one thread applies what many requests ask for, and answers them when the disk has it."""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from modelyard.monitor.store import Store

log = logging.getLogger(__name__)
Result = TypeVar("Result")
MOST_IN_A_COMMIT = 500


class Writer:
    """Owner of the store's write side."""

    def __init__(self, path: Path) -> None:
        self._store = Store(path)
        self._queue: queue.SimpleQueue[tuple[Callable[[Store], Any], Future[Any]] | None] = queue.SimpleQueue()
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
        future: Future[Result] = Future()
        self._queue.put((apply, future))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Commit what waits, then close."""
        self._queue.put(None)
        self._thread.join()
        self._store.close()

    def _run(self) -> None:
        try:
            self._serve()
        except BaseException:
            log.exception("the store cannot go on: the supervisor starts the monitor again")
            logging.shutdown()
            os._exit(os.EX_SOFTWARE)

    def _serve(self) -> None:
        while True:
            first = self._queue.get()
            batch = [first]
            while len(batch) < MOST_IN_A_COMMIT and not self._queue.empty():
                batch.append(self._queue.get())
            asked = [item for item in batch if item is not None and item[1].set_running_or_notify_cancel()]
            if asked:
                self._write(asked)
            if None in batch:
                return

    def _write(self, asked: list[tuple[Callable[[Store], Any], Future[Any]]]) -> None:
        results: list[tuple[Future[Any], Any, Exception | None]] = []
        try:
            self._store.db.execute("BEGIN IMMEDIATE")
            results = [(future, *self._apply(apply)) for apply, future in asked]
            self._store.db.execute("COMMIT")
        except Exception as error:
            log.exception("a commit of %d changes failed", len(asked))
            self._undo("ROLLBACK")
            results = [(future, None, error) for _, future in asked]
        for future, result, failure in results:
            if failure is None:
                future.set_result(result)
            else:
                future.set_exception(failure)

    def _apply(self, apply: Callable[[Store], Any]) -> tuple[Any, Exception | None]:
        self._store.db.execute("SAVEPOINT change")
        try:
            result = apply(self._store)
        except Exception as error:
            log.exception("a change was refused")
            self._undo("ROLLBACK TO change")
            self._store.db.execute("RELEASE change")
            return None, error
        self._store.db.execute("RELEASE change")
        return result, None

    def _undo(self, statement: str) -> None:
        """Take back what was written, and what memory made of it."""
        if self._store.db.in_transaction:
            self._store.db.execute(statement)
        self._store.reload()
