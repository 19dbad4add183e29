"""Panels over one axis of time: the SVG has what it is given, in its place, and nothing that is not measured."""

from xml.etree import ElementTree

import pytest

from modelyard.drawing.charts import Limit
from modelyard.drawing.timeline import Band, Curve, Panel, standalone, ticks, timeline

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*panels, bands=(), seconds=10.0):
    return ElementTree.fromstring(timeline("A test", panels, bands, seconds))


def texts(root):
    return [text.text for text in root.iter(f"{SVG}text")]


@pytest.mark.parametrize(
    ("high", "expected"),
    [
        (1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (12, [0, 5, 10, 15]),
        (100, [0, 20, 40, 60, 80, 100]),
        (0.03, [0, 0.01, 0.02, 0.03]),
    ],
)
def test_ticks_are_round_and_reach_the_top(high, expected):
    assert ticks(high) == pytest.approx(expected)


def test_ticks_of_what_is_counted_are_whole():
    assert ticks(2, least=1) == [0, 1, 2]


def test_a_chart_names_its_panels_units_curves_phases_and_time():
    panel = Panel("Latency (ms)", [Curve("p95", [(1, 5.0), (2, 7.0)]), Curve("p50", [(1, 2.0)])], Limit(6, "SLO 6 ms"))
    told = texts(drawn(panel, bands=[Band(0, 10, "12 users")]))
    assert {"Latency (ms)", "p95", "p50", "SLO 6 ms", "12 users", "seconds", "0", "10"} <= set(told)


def test_a_gap_breaks_a_line_and_a_step_holds_until_the_next_value():
    line = drawn(Panel("x", [Curve("a", [(0, 1.0), (1, 1.0), (2, None), (3, 1.0), (4, 1.0)])]))
    assert len([p for p in line.iter(f"{SVG}path") if p.find(f"{SVG}title") is not None]) == 2
    step = drawn(Panel("x", [Curve("a", [(0, 0.0), (5, 1.0)], "dashed")]))
    path = next(p.get("d") for p in step.iter(f"{SVG}path") if p.find(f"{SVG}title") is not None)
    points = [tuple(map(float, place.lstrip("ML").split(","))) for place in path.split()]
    assert len(points) == 3 and points[0][1] == points[1][1] and points[1][0] == points[2][0]


def test_points_lie_within_the_drawing_whatever_they_are():
    root = drawn(Panel("x", [Curve("a", [(-5, -1.0), (50, 3.0)], "dots")]))
    _, _, width, height = map(float, root.get("viewBox").split())
    circles = list(root.iter(f"{SVG}circle"))
    assert len(circles) == 2
    assert all(0 <= float(c.get("cx")) <= width and 0 <= float(c.get("cy")) <= height for c in circles)


def test_nothing_at_all_is_still_a_chart():
    assert "seconds" in texts(drawn(Panel("Replicas", [Curve("seen", [])]), seconds=0.0))


def test_a_file_of_its_own_has_its_colours_for_light_and_dark_and_names_are_escaped():
    root = ElementTree.fromstring(standalone(timeline("<&>", [Panel("a < b", [])], [], 5)))
    style = root.find(f"{SVG}style").text
    assert "--s0" in style and "prefers-color-scheme: dark" in style and ".timeline .curve" in style
    assert "a < b" in texts(root)
