import re
from typing import get_args

import pytest

from dashboards.series import SERIES
from docs.build import HERE, generated
from modelyard.settings import Settings


@pytest.mark.parametrize("path", generated(), ids=lambda path: path.name)
def test_a_page_that_is_a_list_is_as_its_list_says(path):
    assert path.read_text("utf-8") == generated()[path], "run: python docs/build.py"


def test_every_series_and_every_setting_is_told():
    metrics = (HERE / "metrics.md").read_text("utf-8")
    settings = (HERE / "settings.md").read_text("utf-8")
    assert all(f"| `{series.name}` |" in metrics for series in SERIES)
    assert all(f"| `MODELYARD_{name.upper()}` |" in settings for name in Settings.model_fields)


def test_defaults_are_told_for_anybody_and_not_for_who_made_the_page(monkeypatch):
    monkeypatch.setenv("MODELYARD_STATE_DIR", "/somewhere/else")
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere/else")
    told = generated()[HERE / "settings.md"]
    assert "| `~/.local/state/modelyard` |" in told
    assert "/somewhere" not in told


def test_the_table_of_substrates_promises_only_what_is_there():
    page = (HERE / "substrates.md").read_text("utf-8")
    header = re.search(r"^\| what .*\|$", page, flags=re.M).group(0)
    assert [cell.strip() for cell in header.strip("|").split("|")] == ["what", "`local`", "`kind`", "`cluster`"]
    rows = [row for row in re.findall(r"^\|(.+)\|$", page, flags=re.M) if "---" not in row][1:]
    assert rows
    for row in rows:
        _, _, kind, cluster = (cell.strip() for cell in row.split("|"))
        assert (kind, cluster) == ("not yet", "not yet")
    assert set(get_args(Settings.model_fields["on"].annotation)) == {"", "local"}
