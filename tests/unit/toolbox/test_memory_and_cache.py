from contextlib import ExitStack

import pytest

from modelyard.errors import NameUnknown
from modelyard.toolbox import Toolbox
from modelyard.toolbox.cache import alone, find_held, forget_scratch
from modelyard.toolbox.commands import choose_programs
from modelyard.toolbox.memory import KEPT_S, Failure, is_remembered, read_memory, remember
from modelyard.toolbox.pins import load_pins

NOW_S = 1_000_000.0


@pytest.mark.parametrize(
    ("at_s", "version", "stands"),
    [
        (NOW_S - 1, "12.3.2", True),
        (NOW_S - KEPT_S + 1, "12.3.2", True),
        (NOW_S - KEPT_S, "12.3.2", False),
        (NOW_S - 1, "12.3.1", False),  # the pin is another one now
        (NOW_S + 60, "12.3.2", False),  # the clock was wrong
    ],
)
def test_a_failure_stands_for_a_day_and_for_its_version(at_s, version, stands):
    assert is_remembered(Failure(at_s, version, "no network"), "12.3.2", NOW_S) is stands
    assert not is_remembered(None, "12.3.2", NOW_S)


def test_failures_are_kept_and_forgotten_one_by_one(tmp_path):
    first, second = Failure(1.0, "12.3.2", "no network"), Failure(2.0, "0.32.0", "too slow")
    remember(tmp_path / "cache", "grafana", first)
    remember(tmp_path / "cache", "kind", second)
    assert read_memory(tmp_path / "cache") == {"grafana": first, "kind": second}
    remember(tmp_path / "cache", "grafana", None)
    assert read_memory(tmp_path / "cache") == {"kind": second}


@pytest.mark.parametrize(
    "held", ["", "[]", "{", '{"grafana": 3}', '{"grafana": {"at_s": "x", "version": 1, "why": 2}}']
)
def test_a_damaged_memory_is_no_memory(tmp_path, held):
    (tmp_path / "missing.json").write_text(held)
    assert read_memory(tmp_path) == {}
    remember(tmp_path, "grafana", Failure(1.0, "1", "x"))
    assert list(read_memory(tmp_path)) == ["grafana"]


def test_a_cache_that_cannot_be_written_forgets_and_does_not_fail(tmp_path):
    (tmp_path / "cache").write_text("a file, and no folder")
    remember(tmp_path / "cache", "grafana", Failure(1.0, "1", "x"))


def held(cache, folder, program):
    path = cache / "programs" / folder / program
    path.parent.mkdir(parents=True)
    path.touch(mode=0o755)
    return path


def test_a_home_that_machines_of_two_kinds_share_gives_each_its_own(tmp_path):
    mine = held(tmp_path, "prometheus-3.13.2.linux-amd64", "prometheus")
    held(tmp_path, "prometheus-3.14.0.linux-arm64", "prometheus")
    assert find_held(tmp_path, load_pins()["prometheus"], "linux-amd64").program == mine


def test_a_release_and_a_package_of_one_program_live_beside_each_other_and_the_newer_is_used(tmp_path):
    package = held(tmp_path, "prometheus-3.5.3+ds1-6", "usr/bin/prometheus")
    pin = load_pins()["prometheus"]
    assert find_held(tmp_path, pin, "linux-amd64").program == package
    release = held(tmp_path, "prometheus-3.13.2.linux-amd64", "prometheus")
    found = find_held(tmp_path, pin, "linux-amd64")
    assert (found.program, found.from_debian) == (release, False)


def test_what_a_killed_process_left_half_unpacked_is_never_taken_and_is_removed(tmp_path):
    left = held(tmp_path, ".prometheus.unpacking.abc123", "prometheus-3.13.2/prometheus")
    pin = load_pins()["prometheus"]
    assert find_held(tmp_path, pin, "linux-amd64") is None
    forget_scratch(tmp_path, "prometheus")
    assert not left.exists()


def test_who_waits_for_another_fetch_is_told_once(tmp_path):
    told, first = [], ExitStack()

    def wait():
        told.append("waiting")
        first.close()

    first.enter_context(alone(tmp_path, "prometheus", wait))
    with alone(tmp_path, "grafana", wait):
        assert told == [], "another program is another lock"
    with alone(tmp_path, "prometheus", wait):
        assert told == ["waiting"]


def test_fetch_takes_what_is_named_or_what_a_yard_uses_or_all():
    pins = load_pins()

    def chosen(program="", **how):
        return [pin.name for pin in choose_programs(pins, ["rclone", "prometheus", "rclone"], program, **how)]

    assert chosen(everything=False) == ["rclone", "prometheus"]
    assert chosen("kind", everything=False) == ["kind"]
    assert chosen(everything=True) == list(pins)
    with pytest.raises(NameUnknown, match="no program minio is pinned"):
        chosen("minio", everything=False)


def test_why_a_program_is_missing_says_what_is_lost(tmp_path):
    told = Toolbox(tmp_path, path="").why_missing("grafana")
    assert told.startswith("no grafana program on PATH, 11.0 or newer; without it: ")
    assert "\n" not in told


def test_why_a_program_is_missing_names_the_one_that_is_too_old(tmp_path):
    old = tmp_path / "bin" / "grafana"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 'grafana version 9.5.1'\n")
    old.chmod(0o755)
    box = Toolbox(tmp_path / "cache", path=str(old.parent))
    assert box.look("grafana") is None
    assert f"{old} is 9.5.1, and 11.0 or newer is needed" in box.why_missing("grafana")


def test_a_program_that_is_there_is_not_missing(tmp_path):
    assert Toolbox(tmp_path, path="").why_missing("rclone") == ""
