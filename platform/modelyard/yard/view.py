"""What a person sees while a yard comes up: one live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any, Protocol

MARKS = {
    "waiting": ("·", "dim"),
    "fetching": ("↓", "yellow"),
    "fetched": ("✓", "green"),
    "starting": ("…", "yellow"),
    "ready": ("✓", "green"),
    "failed": ("✗", "red"),
    "left out": ("-", "dim"),
}
ENDS = ("fetched", "ready", "failed", "left out")
WIDTH_OF_BARS = 110
LINE_EVERY_S = 5.0
SAME_LINE_EVERY_S = 20.0
"""Between two plain lines about one program that is being fetched; the second where nothing has changed."""


class View(Protocol):
    """Told what happens; called from several threads. `bars`: whether progress is drawn as a bar."""

    bars: bool

    def say(self, line: str) -> None:
        """A line about something that is not a service."""

    def show(self, service: str, state: str, told: str = "") -> None:
        """A service's state: one of MARKS, and a few words."""

    def working(self) -> contextlib.AbstractContextManager[None]:
        """Surrounds the time in which states change."""


class Silent:
    """For tests and fixtures."""

    bars = False

    def say(self, line: str) -> None:
        """Nothing."""

    def show(self, service: str, state: str, told: str = "") -> None:
        """Nothing."""

    def working(self) -> contextlib.AbstractContextManager[None]:
        """Nothing."""
        return contextlib.nullcontext()


class PlainView:
    """A line for each service that became ready or failed, and now and then one about a program on its way."""

    bars = False

    def __init__(self) -> None:
        self._begun: dict[str, float] = {}
        self._told: dict[str, tuple[float, str]] = {}
        self._lock = threading.Lock()

    def say(self, line: str) -> None:
        """Print it."""
        with self._lock:
            print(line, flush=True)

    def show(self, service: str, state: str, told: str = "") -> None:
        """Print the end of a wait, with its seconds."""
        now = time.monotonic()
        begun = self._begun.setdefault(service, now)
        if state in ENDS:
            seconds = f"{now - begun:5.1f}s" if state in ("ready", "fetched") else " " * 6
            self.say(f"  {service:<13} {state:<9}{seconds}  {told}".rstrip())
            del self._begun[service]
        elif state == "fetching" and self._is_news(service, told, now):
            self._told[service] = (now, told)
            self.say(f"  {service:<13} {state:<9}{' ' * 6}  {told}".rstrip())

    def working(self) -> contextlib.AbstractContextManager[None]:
        """Lines need no frame."""
        return contextlib.nullcontext()

    def _is_news(self, service: str, told: str, now: float) -> bool:
        at, before = self._told.get(service, (-SAME_LINE_EVERY_S, ""))
        return now - at >= (SAME_LINE_EVERY_S if told == before else LINE_EVERY_S)


class LiveView:
    """A table of services that is drawn again while their states change."""

    def __init__(self) -> None:
        from modelyard.console import console

        self._console = console()
        self.bars = self._console.width >= WIDTH_OF_BARS
        self._rows: dict[str, tuple[str, str, float, float | None]] = {}
        self._lock = threading.Lock()

    def say(self, line: str) -> None:
        """Print it above the table."""
        self._console.print(line, markup=False, soft_wrap=True)

    def show(self, service: str, state: str, told: str = "") -> None:
        """Change a row."""
        now = time.monotonic()
        with self._lock:
            begun = self._rows.get(service, ("", "", now, None))[2]
            ended = now if state in ENDS else None
            self._rows[service] = (state, told, begun, ended)

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Draw until the end."""
        from rich.live import Live

        with Live(get_renderable=self._table, console=self._console, refresh_per_second=8, transient=False):
            yield
        self._rows.clear()  # what was drawn stays on the screen; a next table begins anew

    def _table(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        with self._lock:
            rows = dict(self._rows)
        for service, (state, told, begun, ended) in rows.items():
            mark, style = MARKS[state]
            seconds = (
                f"{(ended or time.monotonic()) - begun:.1f}s"
                if state in ("fetching", "fetched", "starting", "ready")
                else ""
            )
            words = (mark, service, state, seconds, told)
            table.add_row(*(Text(word, style=style if place != 1 else "") for place, word in enumerate(words)))
        return table


def choose_view() -> View:
    """A live table where standard output is a terminal."""
    from modelyard.console import console

    return LiveView() if console().is_terminal else PlainView()
