"""`fetch`: what a yard is made of, before the class and not in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from modelyard.console import say
from modelyard.errors import NameUnknown, OptionInvalid
from modelyard.settings import load_settings
from modelyard.toolbox.box import Toolbox
from modelyard.toolbox.pins import Pin

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from modelyard.toolbox.box import Watcher


def fetch(program: str = "", *, everything: bool = False, to: str = "", platforms: str = "") -> int:
    """Fetch a program, those of a yard, or all; or the files of a mirror. 1 where a mirror lacks a file.

    Raises:
        ProgramMissing: something could not be had.
    """
    from modelyard.services.catalog import CATALOG
    from modelyard.yard.view import choose_view

    view = choose_view()
    box = Toolbox.of(load_settings(), view.say)
    used = [name for service in CATALOG for name in service.programs]
    pins = choose_programs(box.pins, used, program, everything=everything)
    if platforms and not to:
        raise OptionInvalid(
            f"--platforms {platforms} is for a mirror only", allowed="--to FOLDER --platforms linux-amd64,darwin-arm64"
        )
    if to:
        return fill_mirror(Path(to).expanduser().absolute(), pins, platforms, box, view)
    try:
        box.fetch_many([pin.name for pin in pins], view, patient=True)
    finally:
        tell(box, pins)
    return 0


def choose_programs(pins: Mapping[str, Pin], used: Iterable[str], program: str, *, everything: bool) -> list[Pin]:
    """What is to be fetched: the one that is named, all, or those that a yard's services use.

    Raises:
        NameUnknown: no program of this name is pinned.
    """
    if program and program not in pins:
        raise NameUnknown(f"no program {program} is pinned", allowed=", ".join(pins), next_command="./invoke fetch")
    names = [program] if program else list(pins) if everything else list(dict.fromkeys(used))
    return [pins[name] for name in names]


def tell(box: Toolbox, pins: Iterable[Pin]) -> None:
    """A line for each program: where it is, or why it is not."""
    from modelyard.toolbox.archives import ask_version

    for pin in pins:
        program = box.look(pin.name)
        version = ".".join(map(str, ask_version(program))) if program else ""
        say(f"  {pin.name:<13} {version or 'missing':<9} {program or box.why_missing(pin.name)}")


def fill_mirror(folder: Path, pins: list[Pin], platforms: str, box: Toolbox, view: Watcher) -> int:
    """Bring the files of programs for several platforms into a folder, and say how a class uses it."""
    from modelyard.toolbox.mirror import describe_use, fill, parse_platforms, plan_mirror

    copied = fill(folder, plan_mirror(pins, parse_platforms(platforms)), box.sources, view)
    missing = [one for one in copied if one.why]
    say(f"{len(copied) - len(missing)} of {len(copied)} files are in {folder}")
    if len(missing) < len(copied):
        say("\n".join(describe_use(folder)))
    return 1 if missing else 0
