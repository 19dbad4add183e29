"""Installing a model format: what is asked of the installer, and that the locks agree with the main one."""

import re
import sys

import pytest

from modelyard import formats
from modelyard.connections import REPOSITORY
from modelyard.errors import SettingError
from modelyard.serving import predictors

PINNED = re.compile(r"^([a-z0-9.-]+)==(\S+)", re.MULTILINE)


def test_a_format_that_there_is_not_is_refused_with_those_that_there_are():
    with pytest.raises(SettingError) as refused:
        formats.add_format("tensorflow")
    assert "xgboost, lightgbm, onnx or all" in refused.value.allowed


def test_what_is_there_is_not_installed_again(monkeypatch):
    monkeypatch.setattr(formats, "FORMATS", {"there": "json"})
    monkeypatch.setattr(formats, "installer", lambda: pytest.fail("nothing is to be installed"))
    assert formats.add_format("there") == []


@pytest.mark.parametrize("name", [*formats.FORMATS, *formats.FOR_TESTS])
def test_each_format_has_a_lock_with_hashes_that_agrees_with_the_main_one(name):
    text = (formats.LOCKS / f"{name}.lock").read_text()
    main = set(PINNED.findall((REPOSITORY / "requirements.lock").read_text()))
    names = {package for package, _ in main}
    shared = {(package, version) for package, version in PINNED.findall(text) if package in names}
    assert shared <= main
    assert shared
    assert text.count("--hash=sha256:") > len(PINNED.findall(text))
    assert "://" not in text, "a lock names no registry"


def test_whoever_loads_models_knows_which_format_brings_a_missing_module():
    assert {module: name for name, module in formats.FORMATS.items()} == predictors.ADDED_BY


def test_the_installer_takes_the_systems_certificates_and_pips_mirror():
    held = formats.installer_environment({"PIP_INDEX_URL": "https://mirror/simple"})
    assert held["UV_DEFAULT_INDEX"] == "https://mirror/simple"
    told = formats.installer_environment({"PIP_INDEX_URL": "https://mirror/simple", "UV_INDEX_URL": "https://own"})
    assert "UV_DEFAULT_INDEX" not in told


def test_packages_go_into_this_environment():
    assert sys.executable in formats.installer()
