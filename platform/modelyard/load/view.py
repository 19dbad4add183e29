"""What a person sees of a load test: a table that changes on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from modelyard.console import console, say

if TYPE_CHECKING:
    from modelyard.load.objectives import Verdict
    from modelyard.load.sampling import Sample

QUIET_S = 5.0


class View:
    """Shows the phase, and under it the newest sample."""

    def __init__(self, title: str) -> None:
        self.title, self.phase = title, ""
        self._began = self._told = time.monotonic()
        self._live: Any = None

    def say(self, line: str) -> None:
        """One step of the test, which stays on the screen."""
        self.phase = line
        say(f"  {time.monotonic() - self._began:5.1f} s  {line}")

    @contextmanager
    def live(self) -> Iterator[None]:
        """While this lasts, samples are shown as they come."""
        if not console().is_terminal:
            yield
            return
        from rich.live import Live

        with Live(console=console(), transient=True, refresh_per_second=4) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def show(self, sample: Sample) -> None:
        """The newest sample."""
        if self._live is not None:
            self._live.update(_table(f"{self.title}: {self.phase}", figures_of(sample)))
        elif not console().is_terminal and time.monotonic() - self._told >= QUIET_S:
            self._told = time.monotonic()
            say(f"  {self._told - self._began:5.1f} s  " + ", ".join(f"{k} {v}" for k, v in figures_of(sample).items()))


def figures_of(sample: Sample) -> dict[str, str]:
    """A sample as it is read: name -> figure with its unit."""
    load = sample.load
    counted: Mapping[str, int] = load.get("answers") or {}
    total = sum(counted.values())
    return {
        "users": _known(load.get("users")),
        "load": f"{load.get('requests_per_second', 0) or 0:.0f}/s",
        "in flight": _known(load.get("in_flight")),
        "failed": _known(load.get("failures")),
        "p50": _ms(load.get("p50_ms")),
        "p95": _ms(load.get("p95_ms")),
        "replicas": _known(sample.ready) + ("" if sample.pods is None else f" of {sample.pods}"),
        "traffic": " / ".join(f"{percent} %" for percent in sample.shares.values()) or "none",
        "answers": ", ".join(f"{name} {count / total:.1%}" for name, count in sorted(counted.items())) or "none",
    }


def print_verdicts(verdicts: Sequence[Verdict]) -> None:
    """The table at the end: claim, measured, asked, held."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("claim", "measured", "asked", "held?"):
        table.add_column(name, overflow="fold")
    for verdict in verdicts:
        style = "" if verdict.held else "bold red"
        table.add_row(verdict.claim, verdict.measured, verdict.asked, "yes" if verdict.held else "NO", style=style)
    console().print()
    console().print(table)


def _table(title: str, figures: Mapping[str, str]) -> Any:
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in figures:
        table.add_column(name, justify="right")
    table.add_row(*figures.values())
    return table


def _known(value: object) -> str:
    return "?" if value is None else str(value)


def _ms(value: float | None) -> str:
    return "no data" if value is None else f"{value:.0f} ms"
