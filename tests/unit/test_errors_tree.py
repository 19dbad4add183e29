"""Every error that a person can meet: it stands in errors.py, has a next command that exists, and is explained."""

import ast
import re
import shlex
import sys
from functools import cache
from typing import NamedTuple

import pytest

from docs.build import HERE, REPOSITORY
from modelyard import errors
from modelyard.errors import YardError

SOURCES = sorted(
    path
    for folder in ("platform/modelyard", "loadtests", "dashboards", "docs")
    for path in (REPOSITORY / folder).rglob("*.py")
)
OWN = "platform/modelyard/errors.py"
PROGRAMS = {
    *("./invoke", ".venv/bin/python", "git", "df", "ls", "env", "unset", "less", "cat", "mv", "fuser", "ss", "lsof"),
    *("uname", "grep", "word", "python3", "brew", "sudo", "export", "cd", "${EDITOR:-vi}", "kill", "chown", "rm"),
    *("eval", "ulimit", "wsl.exe", "timedatectl"),
}
"""What a next command may begin with: tasks of ours, and what every machine has."""


def below(kind):
    return [
        kind,
        *(found for child in kind.__subclasses__() if child.__module__ == errors.__name__ for found in below(child)),
    ]


KINDS = below(YardError)[1:]
NAMES = {kind.__name__ for kind in KINDS}


class Seen(NamedTuple):
    """What the sources hold: calls of a kind of error, names that are used, and classes derived from a kind."""

    calls: list[tuple[str, ast.Call, str]]
    names: set[str]
    derived: list[str]


@cache
def seen():
    found = Seen([], set(), [])
    for path in SOURCES:
        place = str(path.relative_to(REPOSITORY))
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", None) or getattr(node.func, "attr", None)
                if name in NAMES or name == "YardError":
                    found.calls.append((f"{place}:{node.lineno}", node, name))
            elif isinstance(node, ast.Name | ast.Attribute):
                found.names.add(getattr(node, "id", None) or node.attr)
            elif isinstance(node, ast.ClassDef) and place != OWN:
                bases = {getattr(base, "id", "") for base in node.bases}
                found.derived.extend([f"{place}:{node.lineno}"] * bool(bases & {"YardError", *NAMES}))
    return found


@cache
def tasks():
    sys.path.insert(0, str(REPOSITORY))
    from invoke.collection import Collection

    import tasks as module

    return Collection.from_module(module)


def text_of(node):
    """A command as it is typed: what an f-string fills in is a word."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "word" for part in node.values)
    return None


def find_problems(command):
    """Why a person could not paste a command."""
    from invoke.exceptions import ParseError
    from invoke.parser import Parser
    from invoke.parser.context import ParserContext

    for part in re.split(r"&&|;|\|", command):
        words = shlex.split(part)
        while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            words.pop(0)
        if not words or words[0] not in PROGRAMS:
            if words[:2] != ["kubectl", "edit"]:  # told to those who have just edited with it
                yield f"{part.strip()!r} does not begin with a program that everybody has"
        elif words[0] == "./invoke" and words[1:] != ["--list"]:
            try:
                Parser(contexts=tasks().to_contexts(), initial=ParserContext()).parse_argv(words[1:])
            except ParseError as error:
                yield f"{part.strip()!r}: {error}"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_error_tells_its_meaning_cause_remedy_and_next_command(kind):
    for told in (kind.__doc__, kind.__dict__.get("cause"), kind.__dict__.get("remedy"), kind.__dict__.get("next")):
        assert told and told.strip()
    assert kind.cause.endswith(".") and kind.remedy.endswith(".")
    assert list(find_problems(kind.next)) == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_error_is_a_heading_of_the_page_that_it_names(kind):
    file, _, anchor = kind.page().partition("#")
    headings = re.findall(r"^##+ (.+)$", (REPOSITORY / file).read_text("utf-8"), flags=re.M)
    assert anchor in {heading.lower().replace(" ", "-") for heading in headings}
    assert file == str((HERE / "troubleshooting.md").relative_to(REPOSITORY))


def test_every_kind_of_error_is_made_somewhere_or_has_kinds_below_it():
    assert {kind.__name__ for kind in KINDS if not kind.__subclasses__()} - seen().names == set()


def test_nobody_makes_an_error_without_a_kind_or_a_kind_of_their_own():
    assert [place for place, _, name in seen().calls if name == "YardError"] + seen().derived == []


def test_every_next_command_of_every_place_can_be_typed():
    problems = [
        f"{place}: {problem}"
        for place, call, _ in seen().calls
        for given in call.keywords
        if given.arg == "next_command" and (command := text_of(given.value))
        for problem in find_problems(command)
    ]
    assert problems == []


def test_a_next_command_that_cannot_be_typed_is_found():
    assert list(find_problems("./invoke logs mlflow")) == []
    assert list(find_problems("MODELYARD_NAME=other ./invoke up --ports auto && ./invoke train")) == []
    assert "no task, option or word 'lgos'" in next(find_problems("./invoke lgos"))
    assert list(find_problems("./invoke up --port-block auto"))
    assert list(find_problems("install Prometheus, then ./invoke up"))


def test_the_place_that_raises_knows_better_than_the_kind():
    assert errors.YardNotUp("no yard").next_command == "./invoke up"
    assert errors.YardNotUp("no yard", next_command="./invoke demo").next_command == "./invoke demo"
