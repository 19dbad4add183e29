"""Keeps the Evidently process: starts it when a window is near, retries what it lost, ends it when it idles."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from modelyard.errors import YardError
from modelyard.monitor.queries import Reader, Waiting
from modelyard.monitor.references import ReferenceStore
from modelyard.monitor.writer import Writer

log = logging.getLogger(__name__)
START_DEADLINE_S = 120.0
IDLE_S = 180.0
LOOK_EVERY_S = 0.2
MOST_ATTEMPTS = 5
NOT_NOW_PAUSE_S = 5.0
LONGEST_ANSWER_BYTES = 16 * 1024 * 1024
NEAR_RATIO = 0.1
"""The process is started once a window is this full: its import takes longer than the story's rows."""


class WorkerLost(Exception):
    """The Evidently process died, hung or could not do a window."""


class WorkerNotNow(WorkerLost):
    """The machine stood in the way (disk full, a file that is not there yet), not the window: it will be done later."""


def decide_next(attempts: int, most: int = MOST_ATTEMPTS) -> str:
    """What becomes of a window after so many attempts that failed: `retry` or `fail`."""
    return "retry" if attempts < most else "fail"


def decide_pause_s(attempts: int) -> float:
    """Seconds before the next attempt: a machine out of memory needs time."""
    return min(0.5 * 2.0**attempts, 15.0)


class Worker:
    """The process; at most one job at a time."""

    def __init__(self, report_deadline_s: float) -> None:
        self._report_deadline_s = report_deadline_s
        self._process: Process | None = None
        self._idle_since = time.monotonic()

    @property
    def pid(self) -> int | None:
        """The process, while it lives."""
        alive = self._process is not None and self._process.returncode is None
        return self._process.pid if alive and self._process else None

    @property
    def idle_s(self) -> float:
        """Seconds since the last job ended."""
        return time.monotonic() - self._idle_since

    async def start(self) -> None:
        """Start the process and wait until its imports are done; does nothing where it runs."""
        if self.pid is not None:
            return
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "DO_NOT_TRACK": "1", "MPLBACKEND": "agg"}
        command = (sys.executable, "-m", "modelyard.monitor.worker")
        self._process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, env=environment, limit=LONGEST_ANSWER_BYTES
        )
        self._idle_since = time.monotonic()
        try:
            await self._answer(START_DEADLINE_S)
        except BaseException:
            await self.stop()
            raise

    async def ask(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Have one job done.

        Raises:
            WorkerLost: the process died or took too long (it is ended then), or the job failed in it.
        """
        await self.start()
        process = self._process
        if process is None or process.stdin is None:
            raise WorkerLost("the report process did not start")
        try:
            process.stdin.write(orjson.dumps(job) + b"\n")
            await process.stdin.drain()
            told = await self._answer(self._report_deadline_s)
        except BaseException as error:
            await self.stop()
            if isinstance(error, OSError):
                raise WorkerLost(f"the report process went away: {error}") from error
            raise
        finally:
            self._idle_since = time.monotonic()
        if "error" in told:
            raise (WorkerNotNow if told["again"] else WorkerLost)(told["error"])
        return told

    async def _answer(self, deadline_s: float) -> dict[str, Any]:
        process = self._process
        if process is None or process.stdout is None:
            raise WorkerLost("the report process did not start")
        try:
            line = await asyncio.wait_for(process.stdout.readline(), deadline_s)
        except TimeoutError:
            raise WorkerLost(f"the report process did not answer within {deadline_s:.0f}s") from None
        if not line.endswith(b"\n"):
            raise WorkerLost(f"the report process ended with code {await process.wait()}")
        return orjson.loads(line)

    async def stop(self) -> None:
        """End the process, if it runs."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.kill()
        await process.wait()


class Reporter:
    """Takes waiting drift windows one by one, oldest first, through the worker into the store."""

    def __init__(
        self,
        writer: Writer,
        reader: Reader,
        references: ReferenceStore,
        *,
        database: Path,
        reports: Path,
        report_deadline_s: float,
    ) -> None:
        self._writer, self._reader, self._references = writer, reader, references
        self._database, self._reports = database, reports
        self._fullest = 0.0
        self.worker = Worker(report_deadline_s)

    async def run(self) -> None:
        """Work until cancelled; nothing that goes wrong with a window ends this."""
        try:
            while True:
                try:
                    pause_s = await self._step()
                except (YardError, WorkerLost) as error:
                    log.warning("%s", error.args[0])
                    pause_s = 1.0
                except Exception:
                    log.exception("the reporter goes on")
                    pause_s = 1.0
                await asyncio.sleep(pause_s)
        finally:
            await self.worker.stop()

    async def _step(self) -> float:
        window = await asyncio.to_thread(self._reader.waiting)
        if window:
            return await self._report(window)
        fullest, before, self._fullest = self._writer.fullest_ratio, self._fullest, self._writer.fullest_ratio
        if fullest >= NEAR_RATIO and fullest != before:
            await self.worker.start()
        elif self.worker.pid is not None and self.worker.idle_s > IDLE_S:
            log.info("no window for %.0fs: the report process ends", IDLE_S)
            await self.worker.stop()
        return LOOK_EVERY_S

    async def _report(self, window: Waiting) -> float:
        version, last = window.version, window.last
        await self._writer.commit(lambda store: store.count_attempt(version, last))
        name = f"{_plain(window.run_id)}/{version}-{window.number:05d}.html"
        job = {
            "database": str(self._database),
            "version": version,
            "first": window.first,
            "last": last,
            "reference": str(self._references.reference(window.run_id)),
            "config": window.config,
            "report": str(self._reports / name),
        }
        try:
            told = await self.worker.ask(job)
        except WorkerLost as error:
            return await self._lost(window, error)
        measured = {**told, "report": f"/reports/{name}"}
        await self._writer.commit(lambda store: store.finish_drift(version, last, measured, told["seconds"]))
        return 0.0

    async def _lost(self, window: Waiting, error: WorkerLost) -> float:
        attempts = window.attempts + 1
        log.warning("window %d of version %s, attempt %d: %s", window.number, window.version, attempts, error)
        if isinstance(error, WorkerNotNow):
            return NOT_NOW_PAUSE_S
        if decide_next(attempts) == "fail":
            await self._writer.commit(lambda store: store.fail_drift(window.version, window.last, str(error)))
            return 0.0
        return decide_pause_s(attempts)


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name).lstrip(".") or "_"
