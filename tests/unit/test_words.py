"""What is typed wrongly is told with the nearest task."""

import pytest
from invoke.collection import Collection
from invoke.exceptions import ParseError
from invoke.parser import Parser
from invoke.parser.context import ParserContext

import tasks
from modelyard.words import tell_unknown


def typed(*words):
    Parser(contexts=Collection.from_module(tasks).to_contexts(), initial=ParserContext()).parse_argv(list(words))


@pytest.mark.parametrize(
    ("words", "told", "then"),
    [
        (["statsu"], "no task, option or word 'statsu'", "./invoke status"),
        (["frobnicate"], "no task, option or word 'frobnicate'", "./invoke --list"),
        (["up", "--port", "auto"], "no task, option or word '--port'", "./invoke --list"),
        (["up", "--ports"], "--ports needs a value", "./invoke --list"),
    ],
)
def test_what_is_typed_wrongly_is_told_with_the_next_command(words, told, then):
    with pytest.raises(ParseError) as error:
        typed(*words)
    first, last = str(error.value).splitlines()
    assert first.startswith("error: ") and told in first
    assert last == f"  next: {then}"


def test_what_the_parser_says_otherwise_is_passed_on():
    assert tell_unknown("something else", []) == "error: something else\n  next: ./invoke --list"
