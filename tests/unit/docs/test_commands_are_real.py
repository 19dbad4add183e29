"""Every command of ours that the pages tell can be typed as it stands, in any shell."""

import re
import shlex

import pytest
from invoke.collection import Collection
from invoke.exceptions import ParseError
from invoke.parser import Parser
from invoke.parser.context import ParserContext

import tasks
from docs.build import HERE, REPOSITORY

PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted(HERE.glob("*.md"))]


def commands_of(text):
    """Those in `code` and in blocks, to the end of the code or of the line."""
    lines = []
    for block in re.findall(r"```\w*\n(.+?)```", text, flags=re.S):
        typed = [line[2:] for line in block.splitlines() if line.startswith("$ ")]  # else it is no recording
        lines += typed or [line for line in block.splitlines() if not line.lstrip().startswith("#")]
    lines += re.findall(r"`([^`\n]+)`", re.sub(r"```.+?```", "", text, flags=re.S))
    for line in lines:
        for part in re.split(r"&&|;|\||\)", line):
            if re.match(r"^[^#]*\./invoke ", part.strip()) and not part.strip().startswith(("eval", "python")):
                yield part.strip()[part.strip().index("./invoke ") :]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_command_can_be_typed(page):
    problems = []
    for command in commands_of(page.read_text("utf-8")):
        words = shlex.split(command)[1:]
        if "#" in words:
            problems.append(f"{command}: zsh takes # for a word")
        elif words != ["--list"] and not re.search(r"[A-Z]{4}|\.\.\.", command):
            try:
                Parser(contexts=Collection.from_module(tasks).to_contexts(), initial=ParserContext()).parse_argv(words)
            except ParseError as error:
                problems.append(f"{command}: {error}")
    assert problems == []


def test_a_command_that_does_not_exist_would_be_found():
    text = "Type `./invoke upp` or\n```sh\n./invoke data v1   # data\n```\n"
    assert list(commands_of(text)) == ["./invoke data v1   # data", "./invoke upp"]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_to_a_page_or_a_picture_leads_somewhere(page):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", re.sub(r"`[^`]*`", "", page.read_text("utf-8")))
    assert [link for link in links if not (page.parent / link).exists()] == []
