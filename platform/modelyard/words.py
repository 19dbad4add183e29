"""Words that a task may take or not (`invoke logs`, `invoke logs mlflow`): Invoke knows only words it must take."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NoReturn

from invoke.exceptions import ParseError
from invoke.parser import Argument
from invoke.parser.parser import ParseMachine
from invoke.tasks import Task


class Word(Argument):
    """A positional argument with a default: it looks missing, so that the parser gives it a word, until its task ends.

    Invoke's own positional argument with a default never looks missing, and a following word is read as a task.
    """

    complete = False

    @property
    def value(self) -> Any:
        """The word, or the default once no more words can come."""
        return self._value if self._value is not None or not self.complete else self.default

    @value.setter
    def value(self, word: str) -> None:
        self.set_value(word, cast=True)


class WordsTask(Task):
    """A task whose positional parameters may be left out."""

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        """The arguments, with Word in place of positional ones that have a default."""
        return [
            Word(
                names=held.names,
                kind=held.kind,
                default=held.default,
                help=held.help,
                positional=True,
                attr_name=held.attr_name,
            )
            if held.positional and held.default is not None
            else held
            for held in super().get_arguments(ignore_unknown_help)
        ]


def _complete_context(machine: ParseMachine) -> None:
    """Before Invoke looks whether a task has all its words: those that may be left out are complete."""
    for held in machine.context.args.values() if machine.context else ():
        if isinstance(held, Word):
            held.complete = True
    _original(machine)


def tell_unknown(message: str, names: Iterable[str]) -> str:
    """What a person is told about words that cannot be understood, with the nearest task and the next command.

    Args:
        message: the parser's own.
        names: of every task.
    """
    import difflib

    if unknown := re.fullmatch(r"No idea what '(.*)' is!", message):
        near = difflib.get_close_matches(unknown[1], names, n=1)
        told, then = f"there is no task, option or word {unknown[1]!r} here", near[0] if near else "--list"
    elif empty := re.match(r"Flag <Argument: ([\w-]+).*needed value", message):
        told, then = f"--{empty[1]} needs a value", "--list"
    else:
        told, then = message, "--list"
    return f"error: {told}\n  next: ./invoke {then}"


def _tell_error(machine: ParseMachine, msg: str) -> NoReturn:
    raise ParseError(tell_unknown(msg, [name for name in machine.contexts if name]), machine.context)


_original = ParseMachine.complete_context
ParseMachine.error = _tell_error  # type: ignore[method-assign,assignment]
ParseMachine.complete_context = _complete_context  # type: ignore[method-assign,assignment]
