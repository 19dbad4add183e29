"""Fetches several programs at once, each in a thread of its own, and shows how far they are."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from modelyard.errors import ProgramMissing, YardError
from modelyard.toolbox.fetching import fetch, find_addresses, shorten
from modelyard.toolbox.pins import Pin, describe_absence
from modelyard.toolbox.progress import BEGINNING, Progress, Stopped, decide_too_slow, describe_size

if TYPE_CHECKING:
    from modelyard.toolbox.box import Toolbox, Watcher

PATIENCE_S = 15.0
"""So long at most a yard waits for a program that it can do without, once a day."""
SHOW_EVERY_S = 0.25


@dataclass
class Fetch:
    """One program on its way, and what became of it: a program, or why there is none."""

    pin: Pin
    progress: Progress
    ended: threading.Event = field(default_factory=threading.Event)
    program: Path | None = None
    error: Exception | None = None
    why: str = ""
    begun_s: float = field(default_factory=time.monotonic)


def fetch_in_order(pins: Sequence[Pin], box: Toolbox, view: Watcher, *, patient: bool) -> list[Fetch]:
    """Fetch what is required, then the rest; the rest is not begun where something required could not be had.

    Args:
        pins: of the programs, none of which is there.
        box: whose sources are asked.
        view: shown what is on its way.
        patient: whether optional programs may take as long as they do.
    """
    box.sources.reach.begin(address for pin in pins for address in find_addresses(pin, box.sources))
    required = [pin for pin in pins if not pin.optional]
    optional = [pin for pin in pins if pin.optional]
    with view.working():
        fetched = fetch_together(required, box, view, patience_s=None) if required else []
        if optional and all(fetch.program for fetch in fetched):
            fetched += fetch_together(optional, box, view, patience_s=None if patient else PATIENCE_S)
    return fetched


def fetch_together(pins: Sequence[Pin], box: Toolbox, view: Watcher, *, patience_s: float | None) -> list[Fetch]:
    """Fetch programs at the same time, and wait until each has come to an end; Ctrl-C ends them all."""
    fetches = [Fetch(pin, Progress(pin.name)) for pin in pins]
    try:
        for one in fetches:
            # A daemon: one that hangs in a name service or on a socket must not hold up the end of the program.
            threading.Thread(target=_work, args=(one, box), name=f"fetch {one.pin.name}", daemon=True).start()
        running = list(fetches)
        while running:
            running[0].ended.wait(SHOW_EVERY_S)
            for one in list(running):
                if one.ended.is_set() or (patience_s is not None and give_up(one, patience_s)):
                    running.remove(one)
                show(one, view, ended=one not in running, patient=patience_s is None)
    finally:
        for one in fetches:
            one.progress.stop.set()
    return fetches


def _work(one: Fetch, box: Toolbox) -> None:
    try:
        one.program = fetch(one.pin, box.pins[one.pin.holder], box.sources, one.progress)
    except Stopped:
        pass  # whoever stopped it has said why
    except YardError as error:
        one.error, one.why = error, shorten(error)
        if too_old := box.find_too_old(one.pin.name):
            error.detail = f"{describe_absence(one.pin, too_old)}\n{error.detail}"
    except Exception as error:  # raised again by the thread that waits
        one.error, one.why = error, f"{type(error).__name__}: {error}"
    finally:
        one.ended.set()


def give_up(one: Fetch, patience_s: float) -> bool:
    """Stop a program that would hold the yard up; whether it was stopped."""
    progress, elapsed_s = one.progress, time.monotonic() - one.begun_s
    if progress.stage.startswith(("unpacking", "trying")):
        return False
    if not decide_too_slow(
        progress.done_bytes, progress.gained_bytes, progress.total_bytes, elapsed_s, patience_s=patience_s
    ):
        return False
    one.progress.stop.set()
    one.why = describe_too_slow(one.pin.name, progress.done_bytes, progress.total_bytes, elapsed_s)
    one.error = ProgramMissing(f"{one.pin.name}: {one.why}", next_command=f"./invoke fetch {one.pin.name}")
    return True


def describe_too_slow(name: str, done_bytes: int, total_bytes: int, elapsed_s: float) -> str:
    """Why a yard does not wait for a program, and what to do about it."""
    here = describe_size(done_bytes) + (f" of {describe_size(total_bytes)}" if total_bytes else "")
    return f"too slow to wait for, {here} came in {elapsed_s:.0f} s; ./invoke fetch {name} brings the rest"


def show(one: Fetch, view: Watcher, *, ended: bool, patient: bool) -> None:
    """Show a program's state; one that a yard does without is shown by the yard, among its services."""
    if not ended and (view.bars or one.progress.stage != BEGINNING):
        view.show(one.pin.name, "fetching", one.progress.told(bar=view.bars))
    elif one.program:
        view.show(one.pin.name, "fetched", str(one.program))
    elif ended and patient:
        view.show(one.pin.name, "failed", one.why)


def join_errors(errors: Sequence[Exception]) -> Exception:
    """One error of several: that of the first kind, with what all of them say."""
    told = [error for error in errors if isinstance(error, YardError)]
    others = [error for error in errors if not isinstance(error, YardError)]
    if others or len(told) == 1:
        return (others or errors)[0]
    first = told[0]
    return type(first)(
        "; ".join(error.what for error in told),
        allowed="; ".join(dict.fromkeys(error.allowed for error in told if error.allowed)),
        detail="\n".join(dict.fromkeys(line for error in told for line in error.detail.splitlines())),
        next_command="./invoke fetch",
    )
