"""The toolbox with real programs; what is already in this user's cache is not fetched again."""

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from modelyard.errors import ProgramMissing
from modelyard.settings import load_settings
from modelyard.toolbox import Toolbox, ask_version, debian, load_pins
from modelyard.toolbox.progress import Progress

needs_debian = pytest.mark.skipif(
    shutil.which("apt-get") is None or not debian.KEYRING.exists(), reason="needs Debian's apt-get and its keyring"
)


def script(path, told):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{told}'\n")
    path.chmod(0o755)
    return path


def test_a_program_on_path_that_is_new_enough_is_used(tmp_path):
    held = script(tmp_path / "a bin" / "prometheus", "prometheus, version 3.13.2 (branch: HEAD)")
    box = Toolbox(tmp_path / "cache", path=str(held.parent))
    assert box.find("prometheus") == held
    assert box.arguments("prometheus") == ()
    assert box.root("prometheus") is None


def test_a_program_on_path_that_is_too_old_is_passed_over(tmp_path):
    script(tmp_path / "bin" / "prometheus", "prometheus, version 2.42.0 (branch: debian/sid)")
    box = Toolbox(tmp_path / "cache", path=str(tmp_path / "bin"), offline=True)
    assert box.look("prometheus") is None
    with pytest.raises(ProgramMissing, match=r"prometheus is 2\.42\.0, and 3\.0 or newer is needed"):
        box.find("prometheus")


def test_a_program_that_does_not_run_has_no_version(tmp_path):
    broken = tmp_path / "prometheus"
    broken.write_bytes(b"\x7fELF nothing")
    broken.chmod(0o755)
    assert ask_version(broken) == ()
    assert ask_version(tmp_path / "none") == ()


def only_from_debian(cache):
    """A toolbox of whose programs no publisher has a release."""
    box = Toolbox(cache, say=lambda line: None, path="")
    box.pins = {name: replace(pin, releases=(), inside="") for name, pin in box.pins.items()}
    return box


@needs_debian
def test_an_archive_that_does_not_answer_is_told_with_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(debian, "_read_sources", lambda: ["deb http://127.0.0.1:9/debian sid main"])
    with pytest.raises(ProgramMissing) as refused:
        only_from_debian(tmp_path).find("promtool")
    told = str(refused.value)
    assert "Debian: 127.0.0.1 refuses connections on port 9" in told
    assert "promtool on PATH, 3.0 or newer" in told
    assert not list((tmp_path / "programs").glob("promtool-*")), "a part of a program was left"


def test_a_machine_without_apt_is_told_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramMissing, match="not a Debian with apt-get"):
        debian.fetch_package(load_pins()["prometheus"], tmp_path, Progress("prometheus"))


@needs_debian
def test_two_at_once_fetch_a_program_once_and_both_have_it(tmp_path):
    lists = load_settings().cache_dir / "apt"
    if lists.exists():
        shutil.copytree(lists, tmp_path / "apt")  # apt asks only whether they have changed

    def fetch():
        return only_from_debian(tmp_path).find("alertmanager")

    try:
        with ThreadPoolExecutor(2) as pool:
            first, second = (held.result() for held in [pool.submit(fetch), pool.submit(fetch)])
    except ProgramMissing as error:
        pytest.skip(f"Debian's archive does not answer: {error.what}")
    assert first == second
    assert len(list((tmp_path / "programs").glob("alertmanager-*"))) == 1
    assert ask_version(first) >= (0, 27)


def test_the_programs_of_the_yard_run():
    box = Toolbox(load_settings().cache_dir, say=lambda line: None)
    for name in ("prometheus", "alertmanager", "rclone", "envoy"):
        told = subprocess.run([box.find(name), "--version"], capture_output=True, text=True, check=False)
        assert told.returncode == 0, (name, told.stderr)
    assert Path(box.find("kubectl")).is_file()
