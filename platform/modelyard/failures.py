"""What a person is told about an exception that nobody caught: a kind of error, and a file with the trace."""

from __future__ import annotations

import errno
import os
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from modelyard import errors
from modelyard.errors import YardError

KINDS: dict[int, type[YardError]] = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), errors.DiskFull),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), errors.AccessDenied),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), errors.TooManyOpenFiles),
    **dict.fromkeys((errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN), errors.ConnectionFailed),
}
"""Errors of the operating system that a person can do something about, and that no code of ours answers for."""

CLIENTS = {"httpx", "httpcore", "requests", "urllib3", "aiohttp", "botocore", "kubernetes", "ssl", "socket"}
"""Libraries whose errors are about a connection; told by name, so that none is imported to ask."""

KEPT = 20
"""Traces that are kept in a folder; the oldest go first."""


def decide_error(error: BaseException) -> YardError:
    """The error that a person is told in place of this one."""
    if isinstance(error, YardError):
        return error
    told = f"{type(error).__name__}: {error}".rstrip(": ").splitlines()[0][:300]
    if isinstance(error, OSError) and error.errno in KINDS:
        return KINDS[error.errno](f"{error.strerror}: {error.filename or 'this machine'}")
    if isinstance(error, (ConnectionError, TimeoutError)) or CLIENTS & libraries_of(error):
        return errors.ConnectionFailed(f"a connection failed ({told})")
    if isinstance(error, MemoryError):
        return errors.OutOfMemory("there is not enough memory")
    if isinstance(error, (UnicodeDecodeError, ValueError)) and "json" in type(error).__module__.lower():
        return errors.AnswerUnreadable(f"an answer or a file cannot be read ({told})")
    return errors.Unexpected(f"unexpected {told}")


def libraries_of(error: BaseException) -> set[str]:
    """The top packages in which the error's class and those above it are made."""
    return {kind.__module__.partition(".")[0] for kind in type(error).__mro__}


def keep_trace(error: BaseException, folder: Callable[[], Path], *, now: float) -> Path | None:
    """Write the trace into a file of mode 0600 and return its path; None where no file can be written.

    Args:
        error: with its trace.
        folder: where traces are kept; where that fails or cannot be written, it is a folder for temporary files.
        now: seconds since 1970, for the file's name.
    """
    text = "".join(traceback.format_exception(error))
    name = time.strftime("%Y%m%dT%H%M%S", time.localtime(now)) + f"-{os.getpid()}.txt"
    for find in (folder, _temporary):
        try:
            place = find()
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            for old in sorted(place.glob("*.txt"))[: -KEPT + 1]:
                old.unlink(missing_ok=True)
            path = place / name
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123
                file.write(text)
        except (OSError, YardError):
            continue
        return path
    return None


def folder_of_traces() -> Path:
    """The folder `errors` of the yard.

    Raises:
        FileNotFoundError: there is no yard.
    """
    from modelyard.settings import load_settings
    from modelyard.yard.up import yard_folder

    yard = yard_folder(load_settings())
    if not yard.is_dir():
        raise FileNotFoundError(yard)
    return yard / "errors"


def _temporary() -> Path:
    return Path(tempfile.gettempdir()) / f"modelyard-errors-{os.getuid()}"
