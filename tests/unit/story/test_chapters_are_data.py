"""The list of chapters: everything that is made from it must find what it names."""

from importlib import import_module

import pytest

from modelyard.errors import YardError
from modelyard.story.chapters import BY_ID, CHAPTERS, find_chapter
from modelyard.yard.layout import PORTS


def test_the_chapters_come_in_the_order_of_the_story():
    assert [chapter.id for chapter in CHAPTERS] == [
        "data",
        "training",
        "registry",
        "deployment",
        "scaling",
        "sleeping",
        "traffic",
        "drift",
        "retraining",
        "canary",
        "promotion",
        "recovery",
    ]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.id)
def test_a_chapter_is_told_by_a_function_that_exists_and_names_its_claims_after_itself(chapter):
    module, function = chapter.told_by.split(":")
    assert callable(getattr(import_module(module), function))
    assert chapter.claims and all(claim.startswith(f"{chapter.id}.") for claim in chapter.claims)
    assert all((chapter.title, chapter.happens, chapter.why, chapter.habit))


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.id)
def test_a_chapter_looks_at_services_of_the_yard(chapter):
    assert {name for name, _ in chapter.look} <= PORTS.keys()


def test_a_chapter_that_does_not_exist_is_told_with_those_that_do():
    with pytest.raises(YardError) as told:
        find_chapter("drfit")
    assert "drfit" in told.value.what
    assert all(name in told.value.allowed for name in BY_ID)
