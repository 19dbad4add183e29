"""A machine that is examined, in a world of its own: most checks by themselves and in this process, for speed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from modelyard.connections import REPOSITORY
from modelyard.doctor import examine
from modelyard.doctor.commands import before_up
from modelyard.doctor.examination import read_settings
from modelyard.settings import load_settings

DROPPED = ("MODELYARD_", "PYTHON", "AWS_", "MLFLOW_", "KUBECONFIG", "XDG_", "LD_")
PROXIES = {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}


class World:
    """Examines with variables of its own; no server is asked, so that nothing waits for one."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        self.state = folder / "state"
        self._monkeypatch = monkeypatch
        cache = load_settings().cache_dir
        for name in list(os.environ):
            if name.startswith(DROPPED) or name.lower() in PROXIES:
                monkeypatch.delenv(name)
        self.set(state_dir=self.state, cache_dir=cache, ports="auto", offline="true")

    def set(self, **settings):
        """Set settings, by name."""
        for name, value in settings.items():
            self._monkeypatch.setenv(f"MODELYARD_{name.upper()}", str(value))

    def examine(self, check, about=""):
        """The findings of one check; of several nouns those about one."""
        settings, wrong = read_settings()
        found = [*wrong, *examine(settings, only=(check,))]
        return [finding for finding in found if finding.check in (about or check, "settings")]

    def only(self, check, about=""):
        """The single finding of a check."""
        (finding,) = self.examine(check, about)
        return finding

    def before_up(self):
        """What `up` asks; returns the lines that it said."""
        said = []
        before_up(load_settings(), said.append)
        return said

    def call(self, *words, before=()):
        """A task of the checkout as a process of its own; `before` are the words of a program before it."""
        argv = [*before, sys.executable, "-m", "invoke", "--search-root", str(REPOSITORY), *words]
        return subprocess.run(argv, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False)

    def python(self, code, *, before=()):
        """What a Python prints that runs `code` in this world."""
        done = subprocess.run([*before, sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A world in a folder whose name is awkward."""
    folder = tmp_path / "Ann's 100 % machine"
    folder.mkdir()
    return World(folder, monkeypatch)


@pytest.fixture
def mounted(tmp_path):
    """Mounts file systems in memory, with options of mount(8), and takes them away at the end."""
    if os.getuid() != 0 or sys.platform != "linux":
        pytest.skip("needs root to mount a file system")
    points = []

    def mount(name, options):
        point = Path(tmp_path) / name
        point.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", point], check=True)
        points.append(point)
        return point

    yield mount
    for point in points:
        subprocess.run(["umount", "--lazy", point], check=True)
