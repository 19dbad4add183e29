"""A program from Debian's archive without root and without touching the system: own package lists, unpacked only."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO

from modelyard.errors import ProgramMissing, WaitTimeout
from modelyard.toolbox.pins import Pin
from modelyard.toolbox.progress import Progress, Stopped
from modelyard.waiting import wait_until

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SUITE = "sid"
"""Debian unstable: stable's Prometheus is 2.x."""
APT_DEADLINE_S = 300.0
SILENCE_S = 10
LISTS_KEPT_S = 3600.0
DEFAULT_MIRROR = "http://deb.debian.org/debian"


def is_usable() -> bool:
    """Whether this machine can read and check Debian's archive."""
    return bool(shutil.which("apt-get") and shutil.which("dpkg")) and KEYRING.exists()


def find_addresses() -> list[str]:
    """What must be in reach for a package; nothing where apt has a proxy of its own and finds its way by that."""
    told = subprocess.run(
        ["apt-config", "dump", "Acquire::http::Proxy"], capture_output=True, text=True, timeout=10, check=False
    )
    return [] if told.stdout.strip() else [find_mirror(_read_sources())]


def fetch_package(pin: Pin, programs: Path, progress: Progress) -> Path:
    """Download and unpack a program's package to PROGRAMS/NAME-VERSION; returns the program.

    Raises:
        ProgramMissing: apt is missing, or the archive does not answer; says what else would do.
    """
    if not is_usable():
        raise _missing(pin, "this is not a Debian with apt-get, dpkg and its archive keyring")
    programs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{pin.name}.package.unpacking.", dir=programs) as scratch:
        package = _download(pin, Path(scratch), programs.parent / "apt", progress)
        version = package.name.split("_")[1]
        unpacked = Path(scratch) / "root"
        progress.begin("unpacking")
        _run(pin, ["dpkg", "-x", str(package), str(unpacked)], Path(scratch), progress)
        if pin.relocate:
            relocate(unpacked / pin.debian_program, pin.relocate)
        home = programs / f"{pin.name}-{version}"
        if not home.exists():
            unpacked.chmod(0o755)
            unpacked.rename(home)
    return home / pin.debian_program


def relocate(program: Path, folder: str) -> None:
    """Make a folder that a program has built in relative, so that it is found below the program's working directory.

    The path keeps its length: `/usr/share/x` becomes `usr/share/x/`.
    """
    built_in = folder.encode()
    program.write_bytes(program.read_bytes().replace(built_in, built_in.lstrip(b"/") + b"/"))


def find_mirror(sources: list[str]) -> str:
    """The first address of Debian's main archive in apt's source files, one-line or deb822 form."""
    for text in sources:
        for line in text.splitlines():
            found = re.match(r"(?:URIs:|deb(?:\s+\[[^]]*\])?)\s*(https?://\S+)", line)
            if found and "security" not in found.group(1):
                return found.group(1).rstrip("/")
    return DEFAULT_MIRROR


def _read_sources() -> list[str]:
    folder = Path("/etc/apt/sources.list.d")
    files = [Path("/etc/apt/sources.list"), *sorted(folder.glob("*.sources")), *sorted(folder.glob("*.list"))]
    return [path.read_text("utf-8", "replace") for path in files if path.is_file()]


def _download(pin: Pin, scratch: Path, lists: Path, progress: Progress) -> Path:
    """Fetch a package; lists that were fetched within the hour are trusted as long as they lead to it."""
    for folder in (lists / "lists" / "partial", lists / "cache" / "archives" / "partial"):
        folder.mkdir(parents=True, exist_ok=True)
    # A list of its own for each fetch would be 17 MB again for each program: apt asks only whether it has changed.
    source = lists / "sid.list"
    source.write_text(f"deb [signed-by={KEYRING}] {find_mirror(_read_sources())} {SUITE} main\n", "utf-8")
    stamp = lists / "updated"
    if is_fresh(stamp, time.time()):
        with contextlib.suppress(ProgramMissing):
            return _download_package(pin, scratch, lists, progress)
    progress.begin(f"lists of Debian {SUITE}")
    _run(pin, ["apt-get", "-q", *_options(lists), "update"], scratch, progress, watched=lists / "lists")
    stamp.touch()
    return _download_package(pin, scratch, lists, progress)


def is_fresh(stamp: Path, now_s: float) -> bool:
    """Whether the lists were brought within the hour, by a clock that was not turned back."""
    return stamp.exists() and 0 <= now_s - stamp.stat().st_mtime < LISTS_KEPT_S


def _download_package(pin: Pin, scratch: Path, lists: Path, progress: Progress) -> Path:
    progress.begin(f"{pin.debian_package} of Debian {SUITE}")
    _run(pin, ["apt-get", "-q", *_options(lists), "download", pin.debian_package], scratch, progress, watched=scratch)
    return next(scratch.glob("*.deb"))


def _options(lists: Path) -> list[str]:
    options = {
        "Dir::Etc::sourcelist": lists / "sid.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": lists / "lists",
        "Dir::Cache": lists / "cache",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "root",
        "Acquire::Retries": 1,
        "Acquire::http::Timeout": SILENCE_S,
        "Acquire::https::Timeout": SILENCE_S,
    }
    return [part for name, value in options.items() for part in ("-o", f"{name}={value}")]


def _run(pin: Pin, argv: list[str], folder: Path, progress: Progress, watched: Path | None = None) -> None:
    """Run a program to its end; what it brings into the watched folder is counted."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as told:
        try:
            code = _wait(argv, folder, told, progress, watched)
        except (OSError, WaitTimeout) as error:
            raise _missing(pin, str(error)) from error
        told.seek(0)
        # apt-get update ends with 0 although nothing could be reached, and says so in a line.
        complaints = [line for line in told.read().splitlines() if line.startswith(("E:", "W: Failed", "dpkg"))]
    if code or complaints:
        raise _missing(pin, "\n".join(complaints) or f"{argv[0]} ended with {code}")


def _wait(argv: list[str], folder: Path, told: IO[str], progress: Progress, watched: Path | None) -> int:
    env = {**os.environ, "LC_ALL": "C"}
    before = _size(watched)
    with subprocess.Popen(
        argv, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=told
    ) as process:

        def has_ended() -> bool:
            progress.add(max(0, _size(watched) - before - progress.done_bytes))
            if progress.stop.is_set():
                raise Stopped
            return process.poll() is not None

        try:
            wait_until(has_ended, what=" ".join(argv[:1]), deadline_s=APT_DEADLINE_S)
        finally:
            if process.poll() is None:
                process.kill()
        return process.wait()


def _size(folder: Path | None) -> int:
    with contextlib.suppress(OSError):  # a file that was there a moment ago has its final name now
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder else 0
    return 0


def _missing(pin: Pin, why: str) -> ProgramMissing:
    return ProgramMissing(
        f"{pin.name} could not be fetched from Debian {SUITE}",
        detail=f"Debian: {why}",
        next_command=f"./invoke fetch {pin.name}",
    )
