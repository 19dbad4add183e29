"""docs/lessons.md tells every fault as the code does."""

import pytest

from modelyard.connections import REPOSITORY
from modelyard.faults.catalog import FAULTS

PAGE = (REPOSITORY / "docs" / "lessons.md").read_text("utf-8")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.kind}-{fault.how}")
def test_a_lesson_tells_what_is_broken_how_one_notices_where_to_look_and_what_would_repair_it(fault):
    _, found, section = PAGE.partition(f"## {fault.kind}: {fault.how}\n")
    section = section.partition("\n## ")[0]
    assert found
    assert fault.breaks in section
    assert f"what one notices: {fault.notice}" in section
    assert f"Had nobody made it on purpose: {fault.repair}." in section
    assert all(f"look: {command}" in section for command in fault.look)
