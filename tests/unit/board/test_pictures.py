from modelyard.board.browser import find_browser
from modelyard.board.pictures import SHOTS, Shot, choose_due, find_moments


def isvc(*percents):
    return {"revisions": [{"percent": percent} for percent in percents]}


def test_a_canary_is_when_two_revisions_have_traffic():
    assert find_moments({"status": {"inferenceservices": [isvc(10, 90)]}}, []) == {"canary"}
    assert find_moments({"status": {"inferenceservices": [isvc(100, 0)]}}, []) == set()


def test_drift_is_when_its_alert_fires():
    assert find_moments({"status": None}, [{"labels": {"alertname": "InputDrift"}}]) == {"drift"}
    assert find_moments({"status": None}, [{"labels": {"alertname": "ServiceDown"}}]) == set()


def test_a_picture_waits_until_its_moment_has_settled_and_is_taken_once():
    shot = Shot("a", "/", "drift", "light", settled_s=4.0)
    assert choose_due([shot], {"drift": 3.9}, set()) == []
    assert choose_due([shot], {"drift": 4.0}, set()) == [shot]
    assert choose_due([shot], {"drift": 9.0}, {"a"}) == []
    assert choose_due([shot], {"canary": 9.0}, set()) == []


def test_drift_and_canary_are_pictured_light_and_dark():
    assert {(shot.moment, shot.theme) for shot in SHOTS} == {
        (moment, theme) for moment in ("drift", "canary") for theme in ("light", "dark")
    }


def test_a_browser_that_is_named_wins_over_those_on_path(tmp_path):
    for name in ("mine", "chromium"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    assert find_browser({"PATH": str(tmp_path)}) == tmp_path / "chromium"
    assert find_browser({"PATH": str(tmp_path), "MODELYARD_BROWSER": str(tmp_path / "mine")}) == tmp_path / "mine"


def test_a_browser_that_is_named_and_not_there_is_not_replaced_by_another(tmp_path):
    assert find_browser({"MODELYARD_BROWSER": str(tmp_path / "none")}) is None
