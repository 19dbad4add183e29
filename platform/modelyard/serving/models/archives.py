"""Unpacking of a model's archive: regular files into one folder, nothing else, and not without end."""

from __future__ import annotations

import mimetypes
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Literal

Kind = Literal["tar", "zip"]
TYPES: dict[str, Kind] = {"application/x-tar": "tar", "application/zip": "zip"}
COPY_BYTES = 2**20


class BadArchive(Exception):
    """An archive that is not unpacked; the message says why."""


def archive_kind(name: str) -> Kind | None:
    """What an archive of this name is, as KServe's storage initializer guesses it (.tar, .tgz, .tar.gz, .zip)."""
    return TYPES.get(mimetypes.guess_type(name)[0] or "")


def unpack(archive: Path, kind: Kind, folder: Path, *, most_bytes: int, most_files: int) -> None:
    """Unpack into a folder that exists.

    Raises:
        BadArchive: it is damaged, holds a link, a device, a name that leads out of the folder, or too much.
    """
    left_bytes, files = most_bytes, 0
    try:
        with _members(archive, kind) as members:
            for name, part in members:
                files += 1
                with part:
                    target = safe_path(folder, name)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with target.open("xb") as out:
                        left_bytes -= copy_bounded(part, out, left_bytes)
                if files > most_files:
                    raise BadArchive(f"{archive.name} holds more than {most_files} files")
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, RuntimeError, ValueError) as error:
        told = f"Failed to unpack archive file. The file format is not valid: {type(error).__name__}: {error}"
        raise BadArchive(told) from error


def safe_path(folder: Path, name: str) -> Path:
    """Path of a file in a folder.

    Raises:
        BadArchive: the name is absolute or leads out of the folder.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name or ":" in path.parts[0]:
        raise BadArchive(f"{name!r} leads out of the model's folder")
    return folder.joinpath(*path.parts)


def copy_bounded(source: IO[bytes], target: IO[bytes], most_bytes: int) -> int:
    """Copy, and say how many bytes that were.

    Raises:
        BadArchive: there are more than `most_bytes`.
    """
    copied = 0
    while part := source.read(COPY_BYTES):
        copied += len(part)
        if copied > most_bytes:
            raise BadArchive(f"the model is larger than is allowed ({most_bytes} bytes are left)")
        target.write(part)
    return copied


@contextmanager
def _members(archive: Path, kind: Kind) -> Iterator[Iterator[tuple[str, IO[bytes]]]]:
    if kind == "tar":
        with tarfile.open(archive, "r:*", encoding="utf-8") as held:
            yield _tar_members(held)
    else:
        with zipfile.ZipFile(archive) as held_zip:
            yield _zip_members(held_zip)


def _tar_members(held: tarfile.TarFile) -> Iterator[tuple[str, IO[bytes]]]:
    for member in held:
        if member.isdir():
            continue
        part = held.extractfile(member) if member.isreg() else None
        if part is None:
            raise BadArchive(f"{member.name!r} is neither a file nor a folder: links and devices are not unpacked")
        yield member.name.removeprefix("./"), part


def _zip_members(held: zipfile.ZipFile) -> Iterator[tuple[str, IO[bytes]]]:
    for member in held.infolist():
        if member.is_dir():
            continue
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise BadArchive(f"{member.filename!r} is neither a file nor a folder: links are not unpacked")
        yield member.filename, held.open(member)
