"""What a person reads while the story is told: colours and a spinner on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from modelyard.console import console

if TYPE_CHECKING:
    from modelyard.story.chapters import Chapter
    from modelyard.story.claims import ChapterResult, Claim

QUIET_S = 5.0
"""Without a terminal, a wait tells how far it is at most so often."""
Tell = Callable[[str], None]


class Narrator:
    """Prints the story to the task's console."""

    def __init__(self) -> None:
        self._console = console()

    def open_chapter(
        self, chapter: Chapter, number: int, total: int, links: Mapping[str, str], workspace: object = ""
    ) -> None:
        """Title, what happens, why, the habit, and where to look."""
        self._console.print()
        self._console.rule(f"[bold]{number}/{total}  {chapter.title}[/bold]", align="left")
        self._line(chapter.happens)
        self._line(f"Why it matters: {chapter.why}")
        self._line(f"The habit: {chapter.habit}")
        for name, path in chapter.look:
            if name in links:
                self._line(f"Look at: {links[name]}{path}")
        self._line(f"Try: {chapter.command(workspace)}")

    def say(self, line: str) -> None:
        """One step of a chapter."""
        self._console.print(f"  {line}", markup=False, soft_wrap=True)

    def detail(self, line: str) -> None:
        """A line of a program that a step runs."""
        self._console.print(f"    {line}", markup=False, soft_wrap=True, style="dim")

    def claim(self, claim: Claim) -> None:
        """One claim, with its number."""
        mark, style = ("✓", "green") if claim.held else ("✗", "bold red")
        value = f"{claim.value:.4g}" if isinstance(claim.value, float) else claim.value
        told = f": {value}" if value is not None else ""
        self._console.print(f"  {mark} {claim.claim}{told}", markup=False, soft_wrap=True, style=style)

    def close_chapter(self, result: ChapterResult) -> None:
        """How long it took, and the error that ended it."""
        if result.error:
            self._console.print(result.error, markup=False, soft_wrap=True, style="red")
        self._console.print(f"  {result.seconds:.1f} s", markup=False, style="dim")

    @contextmanager
    def working(self, what: str) -> Iterator[Tell]:
        """A spinner with `what`; the function that is given changes the words behind it."""
        if self._console.is_terminal:
            with self._console.status(f"  {what}") as status:
                yield lambda line: status.update(f"  {what}: {line}")
        else:
            self.say(f"{what} ...")
            told = time.monotonic()

            def tell(line: str) -> None:
                nonlocal told
                if time.monotonic() - told >= QUIET_S:
                    told = time.monotonic()
                    self.say(f"{what}: {line}")

            yield tell

    def pause(self) -> None:
        """Wait for Enter, so that a speaker can talk; the end of input goes on."""
        self._console.print("  [dim]Enter: next chapter[/dim]")
        sys.stdin.readline()

    def _line(self, text: str) -> None:
        self._console.print(f"  {text.replace('`', '')}", markup=False, soft_wrap=True)
