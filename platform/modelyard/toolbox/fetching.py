"""One program from where it can be had: the publisher or a mirror first, a Debian package as the last resort."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from modelyard.errors import ChecksumDiffers, DiskFull, DownloadFailed, FileGone, ProgramMissing, YardError
from modelyard.toolbox import debian
from modelyard.toolbox.archives import install
from modelyard.toolbox.cache import alone, find_held, forget_scratch, release_folder
from modelyard.toolbox.download import Limits, bring, find_local, forget
from modelyard.toolbox.pins import File, Pin, Release
from modelyard.toolbox.progress import Progress
from modelyard.toolbox.reach import Reach

ARCHIVE = (".tar.gz", ".tgz")
FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass
class Sources:
    """Where a toolbox fetches from.

    `mirror` is an address or a folder that stands in for every publisher's; `offline` leaves only what lies on this
    machine. The hosts are tried once for all programs.
    """

    cache: Path
    platform: str
    mirror: str = ""
    offline: bool = False
    limits: Limits = field(default_factory=Limits)
    say: Callable[[str], None] = print
    _told: set[str] = field(default_factory=set)

    @cached_property
    def reach(self) -> Reach:
        """Shared by all programs."""
        return Reach(self.limits.connect_s)

    def tell_last_resort(self, reasons: list[str]) -> None:
        """Say once why packages are taken and no releases."""
        if reasons and debian.is_usable() and not self.offline and reasons[-1] not in self._told:
            self._told.add(reasons[-1])
            self.say(f"{reasons[-1]}; packages of Debian are taken in their place")

    @property
    def downloads(self) -> Path:
        """Folder of parts."""
        return self.cache / "downloads"


def at_mirror(file: File, mirror: str) -> File:
    """A file as a mirror has it: all files lie in one folder there, by their own names."""
    if not mirror:
        return file
    if find_local(mirror):
        return replace(file, address=str((find_local(mirror) or Path()).expanduser() / file.name))
    return replace(file, address=f"{mirror.rstrip('/')}/{file.name}")


def find_addresses(pin: Pin, sources: Sources) -> list[str]:
    """Every address that a program may be asked for at, so that their hosts can be tried at the same time."""
    files = (release.files.get(sources.platform) for release in pin.releases)
    addresses = [at_mirror(file, sources.mirror).address for file in files if file]
    remote = [] if sources.offline else [address for address in addresses if not find_local(address)]
    if pin.debian_package and not sources.offline and debian.is_usable():
        remote += debian.find_addresses()
    return remote


def fetch(pin: Pin, holder: Pin, sources: Sources, progress: Progress) -> Path:
    """Fetch a program into the cache; returns it.

    Args:
        pin: of the program.
        holder: of the program whose release holds it: mostly the same.
        sources: where from.
        progress: told of; its `stop` ends it, and what has arrived stays.

    Raises:
        ProgramMissing: no source has it (as ChecksumDiffers where one offered another file); `detail` says of each why.
        DiskFull, Stopped: it was ended on the way.
    """
    reasons: list[str] = []
    differs = ""
    for release in holder.releases:
        try:
            return _fetch_release(pin, holder, release, sources, progress)
        except ChecksumDiffers as error:
            differs = f"{error.what}\n{error.detail}"
            tell_difference(error, sources)
            reasons.append(error.what)
        except FileGone as error:
            reasons.append(error.what)
        except ProgramMissing as error:
            reasons.append(error.what + (f": {error.detail}" if error.detail else ""))
            break
    if not holder.releases:
        reasons.append("no release is pinned")
    if pin.debian_package:
        sources.tell_last_resort(reasons)
        try:
            return _fetch_debian(pin, sources, progress)
        except ProgramMissing as error:
            reasons.append(error.detail or error.what)
    raise describe_missing(pin, reasons, differs, sources)


def _fetch_release(pin: Pin, holder: Pin, release: Release, sources: Sources, progress: Progress) -> Path:
    pinned = release.files.get(sources.platform)
    if pinned is None:
        raise FileGone(f"{holder.name} {release.version} is not offered for {sources.platform}")
    file = at_mirror(pinned, sources.mirror)
    if not find_local(file.address):
        refuse_out_of_reach(file.address, sources)
    waiting = "another process is fetching it"
    with alone(sources.cache, holder.name, lambda: progress.begin(waiting)):
        held = find_held(sources.cache, pin, sources.platform)
        if held:
            return held.program
        forget_scratch(sources.cache, holder.name)
        part = sources.downloads / f"{file.name}.part"
        folder = release_folder(sources.cache, holder.name, release.version, sources.platform)
        try:
            bring(file, sources.downloads, progress, limits=sources.limits)
            install(part, file.name.endswith(ARCHIVE), holder, folder, progress)
        except OSError as error:
            refuse_full_disk(error, part)
            raise
        return folder / pin.program


def refuse_out_of_reach(address: str, sources: Sources, who: str = "") -> None:
    """Raise DownloadFailed where a host cannot be had, at once where it was tried before."""
    if sources.offline:
        raise DownloadFailed(f"{who}MODELYARD_OFFLINE is set")
    why = sources.reach.why_not(address)
    if why:
        raise DownloadFailed(who + why)


def refuse_full_disk(error: OSError, part: Path) -> None:
    """Raise DiskFull for an error that says so; the part is of no use then and takes the room of others."""
    if error.errno in FULL:
        forget(part)
        raise DiskFull(
            f"{error.strerror}: {error.filename or part.parent}", next_command=f"df -h {part.parent}"
        ) from error


def tell_difference(error: ChecksumDiffers, sources: Sources) -> None:
    """Say aloud that a file is not the pinned one; nothing of it was used."""
    told = [f"warning: {error.what}; it was not used", *error.detail.splitlines()]
    who = "whoever keeps the mirror" if sources.mirror else "the publisher"
    told.append(
        f"either {who} changed this file, or something between here and there did; compare with the sum that the"
        " publisher shows, and fetch it over another network"
    )
    sources.say("\n  ".join(told))


def _fetch_debian(pin: Pin, sources: Sources, progress: Progress) -> Path:
    for address in debian.find_addresses() if debian.is_usable() else ():
        refuse_out_of_reach(address, sources, who="Debian: ")
    with alone(sources.cache, "debian", lambda: progress.begin("waiting for another package of Debian")):
        held = find_held(sources.cache, pin, sources.platform)
        if not held:
            forget_scratch(sources.cache, f"{pin.name}.package")
        return held.program if held else debian.fetch_package(pin, sources.cache / "programs", progress)


def describe_missing(pin: Pin, reasons: list[str], differs: str, sources: Sources) -> ProgramMissing:
    """The error of a program that no source has."""
    file = next(
        (release.files[sources.platform] for release in pin.releases if sources.platform in release.files), None
    )
    allowed = f"{' or '.join(pin.executables)} on PATH" + (f", {pin.minimum} or newer" * bool(pin.minimum))
    if file:
        allowed += f"; or {file.name} in the folder or at the address that MODELYARD_MIRROR names"
    kind: type[ProgramMissing] = ChecksumDiffers if differs else ProgramMissing
    return kind(
        f"the program {pin.name} is missing and could not be fetched",
        allowed=allowed,
        detail="\n".join([*dict.fromkeys(reasons), *differs.splitlines()[1:]]),
        next_command=f"brew install {pin.homebrew}"
        if pin.homebrew and sources.platform.startswith("darwin")
        else f"./invoke fetch {pin.name}",
    )


def shorten(error: YardError) -> str:
    """The reason of a program that could not be had, in one line."""
    return (error.detail.splitlines() or [error.what])[0] if isinstance(error, ProgramMissing) else error.what
