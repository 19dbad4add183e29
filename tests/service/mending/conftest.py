"""One yard for the tests of this folder, on a small disk of its own, with an InferenceService under its users."""

import pytest

from loadtests.chaos.bench import bench
from loadtests.chaos.disk import small_disk


@pytest.fixture(scope="session")
def disk():
    """A folder, and whether it is a file system of its own; else writes are forbidden to the yard's processes."""
    with small_disk() as (folder, is_small):
        yield folder, is_small


@pytest.fixture(scope="session")
def held(disk):
    """The yard with its InferenceService."""
    with bench(disk[0]) as made:
        yield made
