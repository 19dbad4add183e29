"""How a chapter ends: told, false, in an error, in a bug. Whatever happens, every declared claim is in the result."""

import sys
import types
from dataclasses import replace

import pytest

from modelyard.errors import ServiceFailed, YardError
from modelyard.story.chapters import BY_ID
from modelyard.story.claims import Finding
from modelyard.story.narrator import Narrator
from modelyard.story.report import exit_code
from modelyard.story.state import State
from modelyard.story.telling import INTERRUPTED, being_told, new_folder, tell_one, unreached


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Tells a chapter of two claims by the generator that is given."""

    def tell(generator):
        module = types.ModuleType("story_of_a_test")
        module.tell = generator
        monkeypatch.setitem(sys.modules, module.__name__, module)
        claims = {"data.one": "The first", "data.two": "The second"}
        story = types.SimpleNamespace(narrator=Narrator(), folder=tmp_path)
        return tell_one(story, replace(BY_ID["data"], told_by="story_of_a_test:tell", claims=claims))

    return tell


def test_a_chapter_that_is_told_to_its_end_holds(told):
    def tell(story):
        yield Finding("data.two", held=True, value=2)
        yield Finding("data.one", held=True, value=1)

    result = told(tell)
    assert result.held and exit_code([result]) == 0
    assert [(claim.id, claim.claim, claim.value) for claim in result.claims] == [
        ("data.one", "The first", 1),
        ("data.two", "The second", 2),
    ]


def test_a_claim_that_the_chapter_forgot_does_not_hold(told):
    def tell(story):
        yield Finding("data.one", held=True, value=1)

    result = told(tell)
    assert not result.held
    assert result.claims[1].error == "error: the chapter ended without deciding this"


def test_an_error_leaves_what_was_found_and_says_why_the_rest_is_undecided(told):
    def tell(story):
        yield Finding("data.one", held=True, value=1)
        raise ServiceFailed("the monitor does not answer", next_command="./invoke up")

    result = told(tell)
    assert [claim.held for claim in result.claims] == [True, False]
    assert result.claims[1].error == result.error == "error: the monitor does not answer\n  next: ./invoke up"
    assert exit_code([result]) == 1


def test_a_bug_is_kept_with_its_trace_and_does_not_lose_the_report(told, tmp_path):
    def tell(story):
        yield Finding("data.one", held=True, value=1)
        raise ZeroDivisionError("oh")

    result = told(tell)
    assert "ZeroDivisionError: oh" in result.error
    assert "Traceback" in (tmp_path / "error.txt").read_text()


def test_an_interrupted_chapter_says_so(told):
    def tell(story):
        yield Finding("data.one", held=True, value=1)
        raise KeyboardInterrupt

    assert told(tell).error == INTERRUPTED


def test_a_chapter_that_was_not_reached_has_proven_nothing():
    result = unreached(BY_ID["drift"])
    assert not result.held
    assert {claim.id for claim in result.claims} == BY_ID["drift"].claims.keys()
    assert not any(claim.held for claim in result.claims)


def test_two_stories_at_a_time_on_one_yard_are_refused(tmp_path):
    with being_told(tmp_path), pytest.raises(YardError, match="already"), being_told(tmp_path):
        pass
    with being_told(tmp_path):
        pass


def test_latest_points_at_the_newest_folder_and_stories_of_one_second_have_their_own(tmp_path):
    first, second = new_folder(tmp_path), new_folder(tmp_path)
    assert first != second
    assert (tmp_path / "latest").resolve() == second


def test_a_fact_that_no_chapter_left_names_the_chapter_that_leaves_it(tmp_path):
    state = State(tmp_path / "state.json")
    with pytest.raises(YardError) as error:
        state.need("stable_version", chapter="registry")
    assert error.value.next_command == "./invoke demo --only registry"
    state.keep(stable_version="1")
    assert State(tmp_path / "state.json").need("stable_version", chapter="registry") == "1"
