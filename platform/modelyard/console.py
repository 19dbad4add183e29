"""One console for every task, and the way in which a task ends when something went wrong."""

from __future__ import annotations

import errno
import functools
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec

if TYPE_CHECKING:
    from rich.console import Console

Arguments = ParamSpec("Arguments")
INTERRUPTED = 130
THE_MACHINES = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EMFILE, errno.ENFILE}
"""Errors of the operating system that a person can do something about, and that no code of ours answers for."""


@functools.cache
def console() -> Console:
    """The console of standard output; width and colours are rich's choice."""
    from rich.console import Console

    return Console(highlight=False)


def say(line: str) -> None:
    """A plain line to the person: brackets are no markup, long lines are not cut and not wrapped."""
    console().print(line, markup=False, soft_wrap=True)


def tell_error(error: BaseException) -> int:
    """Print an error that a person may see, and return the exit code."""
    from modelyard.errors import YardError

    sys.stdout.flush()
    if isinstance(error, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    if isinstance(error, OSError) and error.errno in THE_MACHINES:
        error = YardError(
            f"{error.strerror}: {error.filename or 'this machine'}", next_command="df -h; ls -ld ~/.local"
        )
    if not isinstance(error, YardError):
        raise error
    print("\n".join(error.lines()), file=sys.stderr)
    return error.exit_code


def ends_cleanly(task: Callable[Arguments, object]) -> Callable[Arguments, None]:
    """A task whose YardErrors are lines with an exit code, whose Ctrl-C is one line, and whose pipe may close."""

    @functools.wraps(task)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        from modelyard.errors import YardError

        try:
            code = task(*args, **kwargs)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 0
        except (YardError, OSError, KeyboardInterrupt) as error:
            code = tell_error(error)
        if isinstance(code, int) and code:
            sys.exit(code)

    return run


def command(*, words: tuple[str, ...] = (), **options: object) -> Callable[[Callable[..., object]], Any]:
    """An Invoke task that ends cleanly.

    Args:
        words: parameters that may be given as plain words, in this order, or be left out: `invoke logs mlflow`.
        options: those of invoke.task.
    """
    from invoke.tasks import task

    from modelyard.words import WordsTask

    return lambda body: task(klass=WordsTask, positional=words, **options)(ends_cleanly(body))
