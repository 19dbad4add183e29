"""The linter's findings, each on a dashboard that is sound but for one thing."""

import copy

import pytest

from modelyard.grafana.commands import FOLDER
from modelyard.grafana.lint import find_problems
from modelyard.grafana.questions import read_boards

SOURCE = {"type": "prometheus", "uid": "modelyard-prometheus"}


def panel(number: int, **others) -> dict:
    target = {"refId": "A", "expr": "modelyard:a{b='$namespace'}", "legendFormat": "{{b}}", "range": True}
    return {
        "id": number,
        "type": "timeseries",
        "title": f"How is {number}?",
        "description": "Tells how it is, in a sentence that a learner understands.",
        "datasource": dict(SOURCE),
        "gridPos": {"x": 0, "y": number * 8, "w": 12, "h": 8},
        "fieldConfig": {
            "defaults": {"unit": "s", "thresholds": {"steps": [{"color": "green", "value": None}]}, "noValue": "none"}
        },
        "targets": [{**target, "datasource": dict(SOURCE)}],
        **others,
    }


def dashboard(*panels: dict) -> dict:
    mark = {"name": "Alerts", "datasource": dict(SOURCE), "expr": "modelyard:b", "titleFormat": "{{alertname}}"}
    return {
        "uid": "modelyard-test",
        "title": "Test",
        "description": "A dashboard of the test's.",
        "panels": list(panels) or [panel(1), panel(2)],
        "templating": {"list": [{"name": "namespace"}]},
        "annotations": {"list": [mark]},
    }


def changed(path: str, value) -> dict:
    """The sound dashboard with one value changed; `path` leads there, numbers are places in lists."""
    held = copy.deepcopy(dashboard())
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    inner = held
    for part in way:
        inner = inner[part]
    inner[last] = value
    return held


def test_a_sound_dashboard_has_no_findings():
    assert find_problems(dashboard()) == []


@pytest.mark.parametrize("board", read_boards(FOLDER), ids=lambda board: board.title)
def test_the_dashboards_of_this_project_have_no_findings(board):
    assert find_problems(board.held) == []


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("uid", "a7Fx", "its uid is 'a7Fx'"),
        ("description", "", "it has no description"),
        ("panels.1.id", 1, "2 panels have the id 1"),
        ("panels.1.title", "How is 1?", "2 panels are called 'How is 1?'"),
        ("panels.1.gridPos.y", 10, "'How is 1?' and 'How is 2?' lie on top of each other"),
        ("panels.0.gridPos.x", 13, "ends right of column 24"),
        ("panels.0.gridPos.h", 2, "is 12 x 2: too small"),
        ("panels.0.description", "Latency", "its description has to be a sentence"),
        ("panels.0.datasource.uid", "P1809F7CD0C75ACF3", "which is not provisioned"),
        ("panels.0.fieldConfig.defaults.unit", "", "has no unit"),
        ("panels.0.fieldConfig.defaults.thresholds", {}, "has no thresholds"),
        ("panels.0.fieldConfig.defaults.noValue", "", "no word for when there is no data"),
        ("panels.0.targets", [], "has 0 queries"),
        ("panels.0.targets.0.expr", "a{b='$servcie'}", "asks with $servcie"),
        ("panels.0.targets.0.legendFormat", "", "cannot tell the lines"),
        ("panels.0.targets.0.range", False, "neither for now nor for a range"),
        ("panels.0.targets.0.instant", True, "neither for now nor for a range"),
        ("annotations.list.0.titleFormat", "Alert", "annotation 'Alerts' says nothing of what happened"),
        ("annotations.list.0.expr", "a{b='$c'}", "annotation 'Alerts' asks with $c"),
    ],
)
def test_one_thing_that_is_wrong_is_one_finding(path, value, expected):
    found = find_problems(changed(path, value))
    assert len(found) == 1, found
    assert expected in found[0]


def test_more_panels_than_anybody_looks_at_are_a_finding():
    assert find_problems(dashboard(*(panel(number) for number in range(1, 15)))) == []
    assert "nobody looks at more" in find_problems(dashboard(*(panel(number) for number in range(1, 16))))[0]
