"""docs/loadtests.md tells every load test, every objective with its limit, and shows a chart of each."""

import re
from xml.etree import ElementTree

import pytest

from docs.build import HERE
from modelyard.load.running import NAMES, load_module

PAGE = (HERE / "loadtests.md").read_text("utf-8")


def chapter(kind):
    return re.split(r"^## ", PAGE.partition(f"## {kind}\n")[2], maxsplit=1, flags=re.M)[0]


@pytest.mark.parametrize("kind", NAMES)
def test_every_objective_is_told_with_its_limit(kind):
    told = chapter(kind)
    for objective in load_module(kind).SLO:
        row = next(line for line in told.splitlines() if f"`{objective.id}`" in line)
        limit = objective.at_least if objective.at_most is None else objective.at_most
        words = {0: "no ", 1: "1 |one", 2: "2 |twice"}.get(limit, f"{limit:g} ")
        assert re.search(words, row), row


@pytest.mark.parametrize("kind", NAMES)
def test_a_chart_of_a_real_run_is_shown(kind):
    (name,) = re.findall(r"!\[.+\]\((images/.+\.svg)\)", chapter(kind))
    chart = ElementTree.parse(HERE / name).getroot()
    assert chart.get("aria-label") == f"load {kind}"


def test_the_command_of_each_is_told():
    assert "./invoke load canary" in PAGE and all(f"## {kind}\n" in PAGE for kind in NAMES)
