"""Yards for the tests of this folder, in a path that is awkward on purpose; all are down at the end."""

import pytest

from modelyard.settings import Settings, load_settings
from modelyard.yard import marks
from modelyard.yard.down import take_down
from modelyard.yard.record import read_record
from modelyard.yard.up import bring_up, yard_folder


class Yards:
    """Makes settings of yards, and looks at their processes from outside."""

    def __init__(self, folder):
        self.folder = folder
        self.made = []

    def settings(self, name, **options):
        """Settings of a yard of its own, on free ports; programs come from this user's cache."""
        options = {"ports": "auto", "up_deadline_s": 300.0, **options}
        held = Settings(name=name, state_dir=self.folder, cache_dir=load_settings().cache_dir, **options)
        self.made.append(held)
        return held

    def marked(self, settings):
        """Every living process of the yard."""
        record = read_record(yard_folder(settings) / "yard.json")
        return marks.find_marked(record.id) if record else []

    def pids(self, settings):
        """Pid of each service's first process."""
        held = {}
        for process in sorted(self.marked(settings), key=lambda process: (process.started, process.pid)):
            held.setdefault(process.service, process.pid)
        return held


@pytest.fixture(scope="session")
def yards(tmp_path_factory):
    """Yards in a folder with spaces, a quote and a percent sign in its name."""
    held = Yards(tmp_path_factory.mktemp("yards") / "100% of Ann's yards")
    yield held
    for settings in held.made:
        take_down(settings)


@pytest.fixture(scope="session")
def shared(yards):
    """Settings of the yard that most tests share."""
    return yards.settings("shared")


@pytest.fixture
def up(shared):
    """The shared yard, up: its connections."""
    return bring_up(shared)
