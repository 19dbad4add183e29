"""Locust as a process of its own: started, listened to, cued, and ended whatever happens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from modelyard.errors import CommandFailed

Told = dict[str, Any]
ENDING_S = 40.0
"""A user that waits for an answer ends with it; beyond this the process is killed."""


class Locust:
    """One run of a Locust file, as a context: on leaving, its input is closed, and after an error it is terminated.

    Attributes:
        progress: the newest progress that was told.
        summary: the last line of a run that came to its end; empty before.
    """

    def __init__(
        self,
        argv: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        on_progress: Callable[[Told], None] = lambda told: None,
    ) -> None:
        self.argv, self.log = list(argv), log
        self.progress: Told = {}
        self.summary: Told = {}
        self._environment, self._on_progress = environment, on_progress

    def __enter__(self) -> Locust:
        self._errors = self.log.open("w", encoding="utf-8")
        self.process = subprocess.Popen(
            self.argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={name: value for name, value in self._environment.items() if name != "LOCUST_SKIP_MONKEY_PATCH"},
            start_new_session=True,  # Ctrl-C is for whoever conducts: this process ends when its input does
        )
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self._reader.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        with suppress(OSError):
            self._input.close()
        if kind is not None:
            self.process.terminate()
        try:
            self.process.wait(ENDING_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.process.kill()  # nothing where it has ended; else it waited too long, or Ctrl-C came again
            self.process.wait()
            self._reader.join()
            self._errors.close()
            if self.process.stdout is not None:
                self.process.stdout.close()

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self.process.poll() is None

    def cue(self, users: int, **more: Any) -> None:
        """So many users from now on; `more` is for the test's own user.

        Raises:
            CommandFailed: Locust has ended.
        """
        try:
            self._input.write(json.dumps({"users": users, **more}) + "\n")
            self._input.flush()
        except (OSError, ValueError) as error:
            raise self.failed() from error

    def wait(self, deadline_s: float) -> None:
        """Wait until it ends by itself.

        Raises:
            CommandFailed: it did not, or it ended before its end.
        """
        try:
            self.process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise CommandFailed(
                f"Locust did not end within {deadline_s:.0f} s", next_command=f"less '{self.log}'"
            ) from None
        self._reader.join()
        if not self.summary:
            raise self.failed()

    def failed(self) -> CommandFailed:
        """The error of a run that ended before its end, with the last lines of its log."""
        return CommandFailed(
            f"Locust ended with {self.process.poll()} before the load test was over",
            detail="\n".join(self.log.read_text("utf-8").splitlines()[-8:]),
            next_command=f"less '{self.log}'",
        )

    @property
    def _input(self) -> IO[str]:
        assert self.process.stdin is not None  # noqa: S101 - opened as a pipe
        return self.process.stdin

    def _read(self, lines: IO[str]) -> None:
        for line in lines:
            told = as_told(line)
            if told.get("kind") == "summary":
                self.summary = told
            elif told.get("kind") == "progress":
                self.progress = told
                self._on_progress(told)


def as_told(line: str) -> Told:
    """A line of a Locust file of ours; empty where it is anything else."""
    try:
        held = json.loads(line)
    except ValueError:
        return {}
    return held if isinstance(held, dict) else {}


def locust_argv(locustfile: Path, *options: str) -> list[str]:
    """A headless Locust with this Python: what it prints is ours alone."""
    argv = [sys.executable, "-m", "locust", "-f", str(locustfile), "--headless", "--only-summary"]
    return [*argv, "--loglevel", "WARNING", *options]


def environment_of(folder: Path) -> dict[str, str]:
    """The environment of a Locust that belongs to a yard; no credential is in it."""
    from modelyard.connections import FOLDER_VARIABLE

    return {**os.environ, FOLDER_VARIABLE: str(folder)}
