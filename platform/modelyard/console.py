"""One console for every task, and the way in which a task ends when something went wrong."""

from __future__ import annotations

import functools
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TextIO

if TYPE_CHECKING:
    from rich.console import Console

    from modelyard.errors import YardError

Arguments = ParamSpec("Arguments")
INTERRUPTED = 130
RED, BOLD, PLAIN = "\x1b[31m", "\x1b[1m", "\x1b[0m"


@functools.cache
def console() -> Console:
    """The console of standard output; width and colours are rich's choice."""
    from rich.console import Console

    return Console(highlight=False)


def say(line: str) -> None:
    """A plain line to the person: brackets are no markup, long lines are not cut and not wrapped."""
    console().print(line, markup=False, soft_wrap=True)


def tell_error(error: BaseException) -> int:
    """Print an error as lines, never as a trace, and return the exit code."""
    sys.stdout.flush()
    if isinstance(error, KeyboardInterrupt):
        print("\ninterrupted: what was begun is repaired when the same command is typed again", file=sys.stderr)
        return INTERRUPTED
    from modelyard.failures import decide_error, folder_of_traces, keep_trace

    told = decide_error(error)
    if told is not error:
        trace = keep_trace(error, folder_of_traces, now=time.time())
        told.detail = f"trace: {trace}" if trace else traceback.format_exc()
    print("\n".join(render_error(told, colours=has_colours(sys.stderr))), file=sys.stderr)
    return told.exit_code


def render_error(error: YardError, *, colours: bool = False) -> list[str]:
    """The lines of an error, with where it is explained; the next command stays the last one."""
    *lines, last = error.lines()
    if not colours:
        return [*lines, f"  more: {error.page()}", last]
    first, *others = lines
    return [f"{RED}{first}{PLAIN}", *others, f"  more: {error.page()}", f"{BOLD}{last}{PLAIN}"]


def has_colours(stream: TextIO) -> bool:
    """Whether a person looks at it on a terminal that knows colours (https://no-color.org)."""
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def ends_cleanly(task: Callable[Arguments, object]) -> Callable[Arguments, None]:
    """A task whose errors are lines with an exit code, whose Ctrl-C is one line, and whose pipe may close."""

    @functools.wraps(task)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        try:
            code = task(*args, **kwargs)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 0
        except (Exception, KeyboardInterrupt) as error:
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
