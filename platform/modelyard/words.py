"""Words that a task may take or not (`invoke logs`, `invoke logs mlflow`): Invoke knows only words it must take."""

from __future__ import annotations

from typing import Any

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


_original = ParseMachine.complete_context
ParseMachine.complete_context = _complete_context  # type: ignore[method-assign,assignment]
