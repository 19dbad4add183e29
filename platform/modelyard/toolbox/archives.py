"""From a file with the right sum to a program in the cache: unpacked beside its place, tried, and renamed."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import Any

from modelyard.errors import ProgramMissing
from modelyard.toolbox.pins import Pin, Version, parse_version
from modelyard.toolbox.progress import Progress
from modelyard.waiting import wait_until

VERSION_DEADLINE_S = 10.0
BUSY_DEADLINE_S = 5.0
SAFELY: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
"""Python before 3.11.4 has no filters; what is unpacked has the pinned sum in any case."""


def install(part: Path, archive: bool, pin: Pin, folder: Path, progress: Progress) -> None:
    """Unpack a release to `folder`, which is whole or not there; the part is gone afterwards.

    Args:
        part: the downloaded file.
        archive: whether it is a gzipped tar with one folder; else it is the program itself.
        pin: of the program, which is tried before it gets its place.
        folder: its place.
        progress: told of.

    Raises:
        ProgramMissing: the program does not run on this machine.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{pin.name}.unpacking.", dir=folder.parent) as scratch:
        root = unpack(part, Path(scratch), progress) if archive else copy_program(part, Path(scratch), pin.program)
        progress.begin("trying it")
        refuse_what_does_not_run(root / pin.program, pin)
        settle(root / pin.program)
        if folder.exists():
            shutil.rmtree(folder)
        root.rename(folder)
    part.unlink()
    part.with_name(part.name + ".tag").unlink(missing_ok=True)


def unpack(part: Path, scratch: Path, progress: Progress) -> Path:
    """Unpack an archive, and return its one folder, whatever its name."""
    root = scratch / "release"
    root.mkdir()
    progress.begin("unpacking", total_bytes=part.stat().st_size)
    try:
        with part.open("rb") as held, tarfile.open(fileobj=held, mode="r:gz") as archive:
            for member in archive:
                archive.extract(member, root, **SAFELY)
                progress.add(held.tell() - progress.done_bytes)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise ProgramMissing(f"{part.name.removesuffix('.part')} cannot be unpacked", detail=str(error)) from error
    inside = list(root.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else root


def copy_program(part: Path, scratch: Path, name: str) -> Path:
    """A release that is one program, in a folder of its own."""
    root = scratch / "release"
    root.mkdir()
    shutil.copyfile(part, root / name)
    (root / name).chmod(0o755)
    return root


def refuse_what_does_not_run(program: Path, pin: Pin) -> None:
    """Raise ProgramMissing where a program does not tell its version: another platform, or a folder without exec."""
    told: list[str] = []

    def runs() -> bool:
        try:
            done = _ask(program)
        except OSError as error:
            # Another thread may fork while this one still had the file open for writing: its child holds it a moment.
            if error.errno == errno.ETXTBSY:
                raise
            told.append(f"{error.strerror}; is the folder on a file system without programs (noexec)?")
            return True
        except subprocess.TimeoutExpired:
            told.append(f"it did not tell its version within {VERSION_DEADLINE_S:.0f} s")
            return True
        if not parse_version((done.stdout + done.stderr).replace(str(program), "")):
            told.append(f"it ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-200:]}")
        return True

    wait_until(runs, what=f"{pin.name} to be free", deadline_s=BUSY_DEADLINE_S)
    if told:
        raise ProgramMissing(
            f"{pin.name} {pin.version} was downloaded and does not run on this machine", detail=told[0]
        )


def settle(program: Path) -> None:
    """Have a program on the disk before its folder gets its name, so that a power cut leaves no empty one there."""
    with program.open("rb") as held:
        os.fsync(held.fileno())


def ask_version(program: Path) -> Version:
    """The version that a program tells; () where it tells none."""
    try:
        told = _ask(program)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return parse_version((told.stdout + told.stderr).replace(str(program), ""))


def _ask(program: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, "--version"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=VERSION_DEADLINE_S,
        check=False,
    )
