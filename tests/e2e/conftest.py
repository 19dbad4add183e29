"""One yard for the story's tests, and the story told on it once, as a person would: by the command line."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from modelyard.connections import REPOSITORY
from modelyard.settings import load_settings
from modelyard.testing import Yard, running_yard


@dataclass(frozen=True)
class Told:
    """What `invoke demo` left: exit code, output and the report's folder."""

    code: int
    output: str
    folder: Path

    @property
    def report(self) -> dict:
        return json.loads((self.folder / "report.json").read_text("utf-8"))

    @property
    def claims(self) -> dict[str, dict]:
        return {claim["id"]: claim for claim in self.report["claims"]}

    @property
    def junit(self) -> ElementTree.Element:
        return ElementTree.fromstring((self.folder / "report.xml").read_bytes())


def invoke(yard: Yard, *arguments: str, deadline_s: float = 900) -> Told:
    """Run a task on a yard, as `./invoke` does."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MODELYARD_")}
    environment |= {
        "MODELYARD_NAME": yard.settings.name,
        "MODELYARD_STATE_DIR": str(yard.settings.state_dir),
        "MODELYARD_CACHE_DIR": str(yard.settings.cache_dir),
        "MODELYARD_PORTS": yard.settings.ports,
    }
    done = subprocess.run(
        [sys.executable, "-m", "invoke", *arguments],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=deadline_s,
        check=False,
    )
    return latest(yard, done.returncode, done.stdout)


def latest(yard: Yard, code: int, output: str = "") -> Told:
    """The latest report of a yard."""
    return Told(code, output, (yard.conn.layout.reports / "latest").resolve())


@pytest.fixture(scope="session", name="invoke")
def invoke_fixture():
    """`invoke(yard, "demo", "--fast")` runs a task."""
    return invoke


@pytest.fixture(scope="session", name="latest")
def latest_fixture():
    """`latest(yard, code)` reads the latest report."""
    return latest


@pytest.fixture(scope="session")
def story_yard(tmp_path_factory):
    """A yard of the story's own: it refuses models without a digest, which other tests deploy."""
    folder = tmp_path_factory.mktemp("story")
    with running_yard(folder, cache_dir=load_settings().cache_dir, require_registered_models=True) as held:
        yield held


@pytest.fixture(scope="session")
def told(story_yard):
    """The fast story, told once."""
    return invoke(story_yard, "demo", "--fast")
