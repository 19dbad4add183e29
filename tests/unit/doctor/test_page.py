"""docs/doctor.md names every check, and says of each whether `up` asks it."""

import re

from modelyard.connections import REPOSITORY
from modelyard.doctor.examination import _cheap_looks, _dear_looks, admit
from modelyard.settings import Settings

WITH_OTHERS = {"programs", "clock"}
"""Judged by the same answers as the network."""


def rows():
    text = (REPOSITORY / "docs" / "doctor.md").read_text("utf-8")
    return dict(re.findall(r"^\| `([a-z ]+)` \| .+ \| (yes|) ?\|$", text, re.MULTILINE))


def test_the_page_has_every_check_once_and_says_which_are_cheap(tmp_path):
    patient = admit(Settings(state_dir=tmp_path))
    cheap = {"settings", *_cheap_looks(patient)}
    dear = {*WITH_OTHERS, *_dear_looks(patient, docker=False)}
    held = rows()
    assert set(held) == cheap | dear
    assert {name for name, with_up in held.items() if with_up} == cheap
