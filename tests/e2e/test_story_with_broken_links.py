"""A claim that cannot fail proves nothing: each test breaks one link and sees the exit code.

The chapters go on with the story that was told before, with the first version in service again.
"""

from dataclasses import replace

import pytest

from modelyard.kube import traffic
from modelyard.registry.deployment import manifest
from modelyard.rollout.canary import start_canary
from modelyard.story.chapters import BY_ID
from modelyard.story.context import Story
from modelyard.story.narrator import Narrator
from modelyard.story.plan import FAST
from modelyard.story.telling import start_over, tell_chapter
from modelyard.yard.supervision import supervisor_of
from modelyard.yard.up import bring_up

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def first_version(told, story_yard, invoke):
    """The story as it was at the end of the chapter `deployment`."""
    again = invoke(story_yard, "demo", "--fast", "--only", "deployment")
    assert again.code == 0, again.output
    return story_yard


@pytest.fixture
def only(story_yard, invoke):
    """Tells one chapter: what is left of it, and which of its claims held."""

    def tell(chapter):
        told = invoke(story_yard, "demo", "--fast", "--only", chapter)
        return told, {name: claim["held"] for name, claim in told.claims.items() if claim["chapter"] == chapter}

    return tell


def test_with_the_monitor_stopped_the_traffic_is_not_proven(first_version, only):
    with supervisor_of(first_version.conn) as supervisor:
        supervisor.stop("monitor")
    try:
        told, held = only("traffic")
    finally:
        bring_up(first_version.settings)
    assert told.code == 1
    assert not any(held.values())
    assert "the monitor at" in told.output and "./invoke status" in told.output
    assert "Traceback" not in told.output
    assert told.junit.find("./testsuite[@name='traffic']").get("errors") == str(len(held))


def test_with_the_wrong_version_in_service_the_rows_are_another_versions(first_version, only):
    retrained = manifest(first_version.conn, "flights", "2")
    first_version.deploy(retrained)
    told, held = only("traffic")
    assert told.code == 1
    assert held["traffic.answered"] and not held["traffic.logged"]
    assert told.claims["traffic.logged"]["value"] == "0 of 3000 rows"


def test_without_the_drift_no_alert_is_claimed(first_version, latest):
    """July is replaced by flights of the months that the model knows."""
    calm = replace(FAST, drift=FAST.ordinary, wait_s=30)
    assert tell_chapter(first_version.conn, calm, BY_ID["drift"]) == 1
    held = latest(first_version, 1).claims
    assert [name for name in BY_ID["drift"].claims if held[name]["held"]] == []


def test_a_chapter_that_comes_too_early_names_the_one_before(story_yard, told, tmp_path):
    story = Story(story_yard.conn, FAST, Narrator(), tmp_path / "empty", "default")
    with pytest.raises(Exception, match=r"chapter deployment comes first|--only registry"):
        list(BY_ID["traffic"].tell(story))


def test_a_canary_that_a_killed_story_left_is_cleared_away(first_version):
    services, conn = first_version.services, first_version.conn
    start_canary(services, manifest(conn, "flights", "2", canary_percent=10), stable_version="1")
    assert len([part for part in traffic(services.get("flights")) if part["percent"]]) == 2
    start_over(Story(conn, FAST, Narrator(), conn.layout.reports / "again", "default"))
    assert services.get("flights") is None
