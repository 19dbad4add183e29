"""For other people's tests: `from modelyard.testing import yard` in a conftest.py gives a running yard to a session.

The yard is the test session's own: free ports, a temporary folder, its own credentials. It is taken down at the end,
whatever happens.

    from modelyard.testing import yard  # noqa: F401

    def test_my_model_answers(yard):
        yard.deploy("inferenceservice.yaml")
        assert yard.predict("my-model", [[6.8, 2.8, 4.8, 1.4]]) == [1]
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from modelyard.testing.yards import Yard, running_yard

__all__ = ["Yard", "running_yard", "yard"]


@pytest.fixture(scope="session")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """A yard that is up for the whole session; about ten seconds, most of it MLflow's."""
    with running_yard(tmp_path_factory.mktemp("yards")) as held:
        yield held
