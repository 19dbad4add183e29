"""One yard with the story's model served, which the tests of this folder break and mend."""

from collections.abc import Iterator

import pytest

from modelyard.registry import register
from modelyard.registry.deployment import manifest
from modelyard.settings import load_settings
from modelyard.testing import Yard, running_yard
from modelyard.workspace import ensure_workspace


@pytest.fixture(scope="session")
def lesson(tmp_path_factory) -> Iterator[Yard]:
    """A yard that serves version 1 of flights."""
    options = {"cache_dir": load_settings().cache_dir, "up_deadline_s": 300.0, "ready_deadline_s": 300.0}
    with running_yard(tmp_path_factory.mktemp("lesson"), **options) as held:
        workspace = ensure_workspace(held.conn)
        workspace.add_data_version("v1")
        version = register(held.conn, workspace.train())
        held.deploy(manifest(held.conn, "flights", version.version))
        yield held
