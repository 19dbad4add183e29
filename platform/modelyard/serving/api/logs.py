"""The log subresource of pods: what a replica has written, as text, from its end or while it writes.

A replica writes its log itself, without anybody in between who would note times: `timestamps` and `sinceSeconds` read
the time that a line begins with, and a line without one has that of the line before it.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from starlette.responses import Response, StreamingResponse

from modelyard.serving.api import errors
from modelyard.serving.api.query import flag
from modelyard.serving.api.resources import PODS
from modelyard.serving.pods import PREVIOUS_ANNOTATION
from modelyard.serving.store import NotFound, Store

Object = dict[str, Any]

CHUNK_BYTES = 65536
LOOK_S = 0.2
"""Seconds between two looks at a log that is followed."""
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_TIMED = re.compile(rb"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:?\d\d)?")


@dataclass(frozen=True)
class LogOptions:
    """What is asked for; `since` is in seconds since 1970."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    limit_bytes: int | None = None
    since: float | None = None
    container: str = ""


def log_options(query: Mapping[str, str], *, now: float) -> LogOptions:
    """The options of a request for a log.

    Raises:
        ApiError: 400 for what is no number, flag or time; 422 for numbers out of range and options that exclude others.
    """
    if query.get("sinceSeconds") and query.get("sinceTime"):
        told = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"
        raise _invalid("FieldValueForbidden", "sinceSeconds", told)
    if query.get("stream") not in (None, "", "All"):
        told = f'Unsupported value: "{query["stream"]}": supported values: "All"'
        raise _invalid("FieldValueNotSupported", "stream", told)
    since_s = _number(query, "sinceSeconds", least=1)
    return LogOptions(
        follow=flag(query, "follow"),
        previous=flag(query, "previous"),
        timestamps=flag(query, "timestamps"),
        tail_lines=_number(query, "tailLines", least=0),
        limit_bytes=_number(query, "limitBytes", least=1),
        since=now - since_s if since_s is not None else _time(query, "sinceTime"),
        container=query.get("container", ""),
    )


def log_path(folder: Path, pod: Object, options: LogOptions) -> Path:
    """The file of the log that is asked for.

    Raises:
        ApiError: 400 for another container, for a previous one where there is none, or where nothing was written yet.
    """
    meta = pod["metadata"]
    name, containers = meta["name"], [held["name"] for held in pod["spec"]["containers"]]
    container = options.container or containers[0]
    if container not in containers:
        raise errors.bad_request(f"container {container} is not valid for pod {name}")
    if options.previous:
        revision = (meta.get("labels") or {}).get("serving.knative.dev/revision", "")
        previous = _previous(pod)
        if not previous.startswith(f"{revision}-") or not is_log(_file(folder, previous)):
            raise errors.bad_request(f'previous terminated container "{container}" in pod "{name}" not found')
        return _file(folder, previous)
    path = _file(folder, name)
    if not is_log(path):
        why = "ContainerCreating" if pod["spec"].get("nodeName") else "it is not scheduled"
        raise errors.bad_request(f'container "{container}" in pod "{name}" is waiting to start: {why}')
    return path


def log_answer(folder: Path, store: Store, namespace: str, name: str, query: Mapping[str, str]) -> Response:
    """GET of `pods/NAME/log`.

    Raises:
        ApiError: 404 for an unknown pod; else as `log_options` and `log_path`.
    """
    try:
        pod = store.get("pods", namespace, name)
    except NotFound as error:
        raise errors.not_found(PODS, name) from error
    options = log_options(query, now=time.time())
    path = log_path(folder, pod, options)
    try:
        file = _open(path)
    except OSError as error:
        raise errors.bad_request(f"the log of pod {name} cannot be read: {error.strerror}") from error

    def runs() -> bool:
        try:
            return is_running(store.get("pods", namespace, name)) and not store.ending
        except NotFound:
            return False

    async def wait() -> None:
        try:
            async with asyncio.timeout(LOOK_S):
                await store.changed(store.version)
        except TimeoutError:
            return

    lines = stream(file, options, runs=runs if options.follow and not options.previous else lambda: False, wait=wait)
    return StreamingResponse(lines, media_type="text/plain")


async def stream(
    file: BinaryIO, options: LogOptions, *, runs: Callable[[], bool], wait: Callable[[], Any]
) -> AsyncIterator[bytes]:
    """The log in pieces; goes on while `runs()`, then sends what was written last and ends."""
    left = options.limit_bytes
    with file:
        written = Lines(options)
        file.seek(start_of_tail(file, options.tail_lines))
        while True:
            # Asked before the file is read, so that the last words of a replica that ends now are not lost.
            goes_on = runs()
            if os.fstat(file.fileno()).st_size < file.tell():
                file.seek(0)  # it had grown too long and was cut off
            for piece in written.pieces(file, last=not goes_on):
                told = piece[:left]
                if told:
                    yield told
                if left is not None and (left := left - len(told)) == 0:
                    return
                await asyncio.sleep(0)
            if not goes_on:
                return
            await wait()


class Lines:
    """Passes on what is asked for of a file that may still grow, in whole lines where times matter."""

    def __init__(self, options: LogOptions) -> None:
        self._options = options
        self._rest = b""
        self._at: float | None = None

    def pieces(self, file: BinaryIO, *, last: bool) -> Iterator[bytes]:
        """What the file holds beyond what was passed on; `last`: a line without an end counts too."""
        while chunk := file.read(CHUNK_BYTES):
            if not self._options.timestamps and self._options.since is None:
                yield chunk
                continue
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            yield b"".join(self._told(line + b"\n", file) for line in lines)
        if last and self._rest:
            yield self._told(self._rest, file)
            self._rest = b""

    def _told(self, line: bytes, file: BinaryIO) -> bytes:
        found = time_of(line)
        if found is not None:
            self._at = found
        elif self._at is None:
            self._at = os.fstat(file.fileno()).st_mtime if self._options.follow else first_time(file)
        if self._options.since is not None and self._at < self._options.since:
            return b""
        return timestamp_nanos(self._at) + b" " + line if self._options.timestamps else line


def start_of_tail(file: BinaryIO, lines: int | None) -> int:
    """Where the last lines of a file begin, in bytes; 0 where all of it is asked for."""
    position = end = file.seek(0, os.SEEK_END)
    if lines is None or end == 0:
        return 0
    if lines == 0:
        return end
    file.seek(end - 1)
    wanted = lines + (file.read(1) == b"\n")
    while position > 0:
        size = min(CHUNK_BYTES, position)
        position -= size
        file.seek(position)
        block = file.read(size)
        found = block.count(b"\n")
        if found < wanted:
            wanted -= found
            continue
        at = len(block)
        for _ in range(wanted):
            at = block.rindex(b"\n", 0, at)
        return position + at + 1
    return 0


def time_of(line: bytes) -> float | None:
    """The time that a line begins with, in seconds since 1970; local time where it names no zone."""
    found = _TIMED.match(line)
    if found is None:
        return None
    day, clock, fraction, zone = (part.decode() if part else "" for part in found.groups())
    try:
        told = datetime.fromisoformat(f"{day}T{clock}{zone}").timestamp()
    except (ValueError, OverflowError):
        return None
    return told + (int(fraction) / 10 ** len(fraction) if fraction else 0.0)


def first_time(file: BinaryIO) -> float:
    """The first time that a log tells, or when it was last written, in seconds since 1970."""
    position = file.tell()
    file.seek(0)
    found = (time_of(line) for line in file.read(CHUNK_BYTES).split(b"\n"))
    told = next((at for at in found if at is not None), os.fstat(file.fileno()).st_mtime)
    file.seek(position)
    return told


def timestamp_nanos(at: float) -> bytes:
    """A time as a kubelet writes it before a line: RFC 3339 with nine digits."""
    whole = datetime.fromtimestamp(at, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{whole.microsecond:06d}000Z".encode()


def is_running(pod: Object) -> bool:
    """Whether the pod's replica may still write."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return any("running" in (held.get("state") or {}) for held in statuses)


def is_log(path: Path) -> bool:
    """Whether there is a plain file, not a link to somewhere else."""
    return path.is_file() and not path.is_symlink()


def _previous(pod: Object) -> str:
    meta = pod["metadata"]
    waits = not is_running(pod) and (pod.get("status") or {}).get("containerStatuses")
    return meta["name"] if waits else (meta.get("annotations") or {}).get(PREVIOUS_ANNOTATION, "")


def _file(folder: Path, name: str) -> Path:
    """A replica's log; a name that is none leads nowhere."""
    return folder / (f"{name}.log" if _NAME.fullmatch(name) and len(name) <= 253 else ".no-such-log")


def _open(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb")


def _number(query: Mapping[str, str], name: str, *, least: int) -> int | None:
    value = query.get(name)
    if not value:
        return None
    if not re.fullmatch(r"-?[0-9]{1,18}", value):
        raise errors.bad_request(f'strconv.ParseInt: parsing "{value}": invalid syntax ({name})')
    number = int(value)
    if number < least:
        told = f"Invalid value: {number}: must be greater than {'or equal to ' if least == 0 else ''}0"
        raise _invalid("FieldValueInvalid", name, told)
    return number


def _time(query: Mapping[str, str], name: str) -> float | None:
    value = query.get(name)
    if not value:
        return None
    try:
        return datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp()
    except (ValueError, OverflowError) as error:
        raise errors.bad_request(f'parsing time "{value}": must be as 2006-01-02T15:04:05Z ({name})') from error


def _invalid(reason: str, field: str, told: str) -> errors.ApiError:
    return errors.invalid("PodLogOptions", "", "", [{"reason": reason, "message": told, "field": field}])
