"""A mirror for a class: every file of the pinned releases in one folder, for a USB stick or a server in the LAN."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from modelyard.errors import NameUnknown, ProgramMissing
from modelyard.toolbox.download import bring, find_local, forget, sum_of
from modelyard.toolbox.fetching import Sources, at_mirror, refuse_out_of_reach
from modelyard.toolbox.pins import ARCHITECTURES, PLATFORMS, File, Pin
from modelyard.toolbox.progress import Progress

if TYPE_CHECKING:
    from modelyard.toolbox.box import Watcher

SUMS = "SHA256SUMS"
KNOWN = tuple(
    f"{system}-{machine}" for system in ("linux", "darwin") for machine in sorted(set(ARCHITECTURES.values()))
)


@dataclass(frozen=True)
class Copied:
    """What became of one file: why it is not in the folder, or nothing."""

    file: File
    why: str = ""


def parse_platforms(text: str) -> tuple[str, ...]:
    """Platforms joined by commas; those that ./invoke starts on where none is named.

    Raises:
        NameUnknown: nothing is published for one of them.
    """
    named = tuple(part.strip() for part in text.split(",") if part.strip()) or PLATFORMS
    for one in named:
        if one not in KNOWN:
            raise NameUnknown(f"there is no platform {one}", allowed=", ".join(KNOWN), next_command="uname -sm")
    return named


def plan_mirror(pins: Iterable[Pin], platforms: Sequence[str]) -> list[File]:
    """The files that a mirror must hold: of each program the release that is taken first."""
    return [
        pin.releases[0].files[platform]
        for pin in pins
        if pin.releases and not pin.inside
        for platform in platforms
        if platform in pin.releases[0].files
    ]


def fill(folder: Path, files: Sequence[File], sources: Sources, view: Watcher) -> list[Copied]:
    """Bring files into a folder, one after the other; one that is there with the right sum stays.

    Raises:
        DiskFull: there is no room for them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    held = replace(sources, limits=replace(sources.limits, room_ratio=1.0))
    held.reach.begin(address for file in files if not find_local(address := at_mirror(file, sources.mirror).address))
    with view.working():
        copied = [_copy(file, folder, held, view) for file in files]
    there = [one.file for one in copied if not one.why]
    if there:
        (folder / SUMS).write_text("".join(f"{file.sha256}  {file.name}\n" for file in there), "utf-8")
    return copied


def _copy(file: File, folder: Path, sources: Sources, view: Watcher) -> Copied:
    place = folder / file.name
    if place.exists() and sum_of(place) == file.sha256:
        view.show(file.name, "fetched", "was here")
        return Copied(file)
    progress = Progress(file.name)
    done = threading.Event()
    drawing = threading.Thread(target=_draw, args=(progress, view, done), daemon=True)
    drawing.start()
    try:
        wanted = at_mirror(file, sources.mirror)
        if not find_local(wanted.address):
            refuse_out_of_reach(wanted.address, sources)
        part = bring(wanted, folder, progress, limits=sources.limits)
        part.rename(place)
        forget(part)
    except ProgramMissing as error:
        why = ": ".join([error.what, *error.detail.splitlines()])
        done.set()
        drawing.join()
        view.show(file.name, "failed", why)
        return Copied(file, why)
    finally:
        done.set()
        drawing.join()
    view.show(file.name, "fetched", "sha256 is the pinned one")
    return Copied(file)


def _draw(progress: Progress, view: Watcher, done: threading.Event) -> None:
    while not done.wait(0.25):
        view.show(progress.name, "fetching", progress.told(bar=view.bars))


def describe_use(folder: Path) -> list[str]:
    """How a class uses a mirror."""
    place = shlex.quote(str(folder))
    return [
        f"a class uses it from a stick:  MODELYARD_MIRROR={place} ./invoke up",
        f"or over the network, here:     python3 -m http.server 8000 --directory {place}",
        "                     there:    MODELYARD_MIRROR=http://THIS-MACHINE:8000 ./invoke up",
    ]
