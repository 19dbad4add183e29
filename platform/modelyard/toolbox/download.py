"""Brings one pinned file: a part that was cut goes on where it ended, and only the pinned sha256 makes it whole."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote, urlsplit

from modelyard.errors import ChecksumDiffers, DiskFull, DownloadFailed, FileGone
from modelyard.toolbox.interruptions import (
    Interrupted,
    decide_pause,
    explain_interruption,
    explain_refusal,
    host_of,
    is_worth_another_try,
    read_retry_after,
)
from modelyard.toolbox.pins import File
from modelyard.toolbox.progress import Progress, Stopped, describe_size

if TYPE_CHECKING:
    import ssl

    import httpx

GONE = (404, 410)
BUSY = (408, 425, 429)
CHUNK_BYTES = 1 << 18
GAIN_BYTES = 1 << 16
"""A connection that brought so much was not in vain: the count of failures begins anew."""


@dataclass(frozen=True)
class Limits:
    """How patient a download is, in seconds; and how much room must be free, in sizes of the file.

    An archive lies beside what it holds, unpacked.
    """

    connect_s: float = 5.0
    silence_s: float = 20.0
    room_ratio: float = 4.0
    pauses_s: tuple[float, ...] = (0.5, 2.0, 5.0, 10.0)
    """Before the next try; a failure beyond the last of them is the end."""


@functools.cache
def read_trusted(file: str, folder: str) -> ssl.SSLContext:
    """What the system, its two variables (OpenSSL reads them by itself) and certifi trust; read once, it takes long."""
    import ssl

    import certifi

    trusted = ssl.create_default_context()
    trusted.load_verify_locations(certifi.where())
    return trusted


def make_client(limits: Limits) -> httpx.Client:
    """A client that goes by the proxies of the environment and trusts what the system and certifi trust.

    Raises:
        DownloadFailed: a proxy variable holds something that is no proxy.
    """
    import httpx

    trusted = read_trusted(os.environ.get("SSL_CERT_FILE", ""), os.environ.get("SSL_CERT_DIR", ""))
    timeout = httpx.Timeout(limits.silence_s, connect=limits.connect_s, pool=None)
    try:
        return httpx.Client(timeout=timeout, verify=trusted, follow_redirects=True, headers={"User-Agent": "modelyard"})
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        raise DownloadFailed(
            "a proxy variable of this shell cannot be used",
            allowed="HTTPS_PROXY=http://HOST:PORT",
            detail=str(error),
            next_command="env | grep -i _proxy",
        ) from error


def bring(file: File, downloads: Path, progress: Progress, *, limits: Limits) -> Path:
    """Download a file, or the rest of it; returns its path, where it lies with the right sum.

    Raises:
        DownloadFailed: it could not be had; the part that arrived stays.
        ChecksumDiffers: something else is offered under this name; nothing of it stays.
        DiskFull: there is no room for it.
        Stopped: somebody set the progress's `stop`.
    """
    downloads.mkdir(parents=True, exist_ok=True)
    part = downloads / f"{file.name}.part"
    joined = part.exists()
    while True:
        _bring_all(file, part, progress, limits=limits)
        found = sum_of(part)
        if found == file.sha256:
            return part
        size = part.stat().st_size
        forget(part)
        if not joined:
            raise ChecksumDiffers(
                f"{file.name} from {host_of(file.address) or file.address} is not the file that is pinned",
                detail=f"sha256 pinned: {file.sha256}\nsha256 found:  {found} ({describe_size(size)})",
            )
        joined = False  # the parts were of two files: once more, from the beginning


def _bring_all(file: File, part: Path, progress: Progress, *, limits: Limits) -> None:
    failures = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            return _bring_rest(file, part, progress, limits=limits)
        except Interrupted as interrupted:
            gained = part.exists() and part.stat().st_size >= before + GAIN_BYTES
            failures = 1 if gained else failures + 1
            pause_s = decide_pause(failures, limits.pauses_s, interrupted.retry_after_s)
            if pause_s is None:
                raise DownloadFailed(f"{file.name} could not be downloaded: {interrupted.told}") from interrupted
            progress.stage = f"{interrupted.told}; going on in {pause_s:.0f} s"
            if progress.stop.wait(pause_s):
                raise Stopped from interrupted


def _bring_rest(file: File, part: Path, progress: Progress, *, limits: Limits) -> None:
    """One connection."""
    place = find_local(file.address)
    opened = _open_local(place, file) if place else _open_remote(file, part, limits)
    with opened as (chunks, start, total):
        host = "the mirror" if place else host_of(file.address)
        progress.begin(f"from {host}", start, total)
        refuse_without_room(part.parent, int(total * limits.room_ratio) - start)
        with part.open("ab") as out:
            out.truncate(start)
            for chunk in chunks:
                if progress.stop.is_set():
                    raise Stopped
                out.write(chunk)
                out.flush()  # what has arrived stays, in whatever way this process ends
                progress.add(len(chunk))
    if total and progress.done_bytes < total:
        raise Interrupted(f"it ended after {describe_size(progress.done_bytes)} of {describe_size(total)}")


def find_local(address: str) -> Path | None:
    """The path of an address that is one of this machine's files; None for every other."""
    if address.startswith("file:"):
        return Path(unquote(urlsplit(address).path))
    return None if "://" in address else Path(address)


@contextmanager
def _open_local(place: Path, file: File) -> Iterator[tuple[Iterator[bytes], int, int]]:
    try:
        held = place.open("rb")
    except FileNotFoundError as error:
        raise FileGone(f"the mirror {place.parent} does not have {file.name}") from error
    except OSError as error:
        raise DownloadFailed(
            f"the mirror {place.parent} does not give {file.name}: {(error.strerror or str(error)).lower()}"
        ) from error
    with held:
        yield _read(held, place), 0, place.stat().st_size


def _read(held: BinaryIO, place: Path) -> Iterator[bytes]:
    try:
        yield from iter(lambda: held.read(CHUNK_BYTES), b"")
    except OSError as error:  # the stick was pulled out
        raise DownloadFailed(f"{place} can no longer be read: {error.strerror or error}") from error


@contextmanager
def _open_remote(file: File, part: Path, limits: Limits) -> Iterator[tuple[Iterator[bytes], int, int]]:
    """The rest of a remote file: its chunks, where they begin, and the size of the whole (0 where it is not told)."""
    import httpx

    start = part.stat().st_size if part.exists() else 0
    tag = part.with_name(part.name + ".tag")
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if tag.exists():
            headers["If-Range"] = tag.read_text("utf-8")
    try:
        with make_client(limits) as client, client.stream("GET", file.address, headers=headers) as answer:
            if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and start:
                forget(part)
                raise Interrupted("the part that was here does not fit")
            _refuse(answer, file)
            if answer.status_code != httpx.codes.PARTIAL_CONTENT:
                start = 0
            elif not answer.headers.get("content-range", "").startswith(f"bytes {start}-"):
                forget(part)
                raise Interrupted("the server sent another part than was asked for")
            _remember_tag(tag, answer.headers.get("etag", ""))
            length = int(told if (told := answer.headers.get("content-length", "")).isdecimal() else 0)
            yield answer.iter_raw(), start, start + length if length else 0
    except (httpx.TransportError, httpx.TooManyRedirects, httpx.InvalidURL) as error:
        told = explain_interruption(error, file.address)
        if is_worth_another_try(error):
            raise Interrupted(told) from error
        raise DownloadFailed(f"{file.name} could not be downloaded: {told}") from error


def _refuse(answer: httpx.Response, file: File) -> None:
    told = explain_refusal(answer.status_code, answer.headers.get("content-type", ""), answer.url.host)
    if not told:
        return
    if answer.status_code in BUSY or answer.status_code >= 500:
        raise Interrupted(told, read_retry_after(answer.headers.get("retry-after", "")))
    kind = FileGone if answer.status_code in GONE else DownloadFailed
    raise kind(f"{file.name} could not be downloaded: {told}")


def _remember_tag(tag: Path, etag: str) -> None:
    """Only a strong tag says that two answers are of the same bytes (RFC 9110, If-Range)."""
    if etag and not etag.startswith("W/"):
        tag.write_text(etag, "utf-8")
    else:
        tag.unlink(missing_ok=True)


def refuse_without_room(folder: Path, needed_bytes: int) -> None:
    """Raise DiskFull where so much would not fit."""
    free_bytes = shutil.disk_usage(folder).free
    if needed_bytes > free_bytes:
        raise DiskFull(
            f"{folder} has {describe_size(free_bytes)} free, and {describe_size(needed_bytes)} are needed",
            next_command=f"df -h {folder}",
        )


def sum_of(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as held:
        return hashlib.file_digest(held, "sha256").hexdigest()


def forget(part: Path) -> None:
    """Remove a part and what is known of it."""
    for path in (part, part.with_name(part.name + ".tag")):
        path.unlink(missing_ok=True)
