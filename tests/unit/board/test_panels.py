import asyncio

from modelyard.board.definitions import Dashboard
from modelyard.board.panels import answer_dashboard, find_stretches, place_events, split_buckets
from modelyard.board.queries import Sources, read_number, spread
from modelyard.board.traffic import join
from modelyard.board.windows import Window

WINDOW = Window(100, 120, 5, live=True)
NOBODY = "http://127.0.0.1:9"
"""The port of the discard service, where nobody listens."""


def test_a_gap_in_a_series_stays_a_gap():
    assert spread([(100, "1"), (110, "3"), (120, "NaN")], WINDOW) == [1.0, None, 3.0, None, None]


def test_samples_outside_of_the_window_are_not_drawn():
    assert spread([(95, "1"), (125, "1")], WINDOW) == [None] * 5


def test_infinities_are_no_numbers_to_draw():
    assert [read_number(told) for told in ("+Inf", "-Inf", "NaN", "1e-3")] == [None, None, None, 0.001]


def bucket(le, *values):
    return {"labels": {"le": le}, "values": list(values)}


def test_cumulative_buckets_become_what_falls_into_each():
    found = split_buckets([bucket("+Inf", 10.0, None), bucket("5", 3.0, None), bucket("25", 9.0, None)])
    assert [(one["low"], one["high"]) for one in found] == [(0.0, 5.0), (5.0, 25.0), (25.0, None)]
    assert [one["values"] for one in found] == [[3.0, None], [6.0, None], [1.0, None]]


def test_buckets_scraped_apart_never_give_less_than_nothing():
    assert split_buckets([bucket("5", 3.0), bucket("10", 2.9)])[1]["values"] == [0.0]


def test_a_stretch_is_from_the_first_to_the_last_moment_of_a_run():
    assert find_stretches([None, 1, 1, None, 1], WINDOW) == [(105, 110), (120, 120)]
    assert find_stretches([0, 0, None, 0, 0], WINDOW) == []


def test_an_event_whose_value_is_a_time_stands_where_it_happened_and_once():
    told = {"name": "Promotions", "titleFormat": "version {{v}}", "useValueForTime": True, "iconColor": "blue"}
    series = [{"labels": {"v": "2"}, "values": [None, 112_500.0, 112_500.0, 112_500.0, 112_500.0]}]
    (event,) = place_events(told, series, WINDOW)
    assert (event["title"], event["start_s"], event["end_s"]) == ("version 2", 112.5, 112.5)


def test_an_event_before_the_window_is_not_drawn_at_its_edge():
    told = {"name": "Promotions", "useValueForTime": True}
    assert place_events(told, [{"labels": {}, "values": [50_000.0] * 5}], WINDOW) == []


def test_an_alert_is_a_stretch_with_its_name():
    told = {"name": "Alerts", "titleFormat": "{{alertname}}", "iconColor": "red"}
    (event,) = place_events(told, [{"labels": {"alertname": "InputDrift"}, "values": [None, 1, 1, 1, None]}], WINDOW)
    assert (event["title"], event["start_s"], event["end_s"]) == ("InputDrift", 105, 115)


def test_without_prometheus_every_panel_says_so_and_what_was_chosen_stays():
    board = Dashboard(
        "u",
        "t",
        {
            "panels": [
                {"id": 1, "type": "timeseries", "targets": [{"expr": "up", "refId": "A"}]},
                {"id": 2, "type": "alertGroups"},
                {"id": 3, "type": "text"},
            ],
            "templating": {
                "list": [{"type": "query", "name": "namespace", "query": {"query": "label_values(up, namespace)"}}]
            },
        },
    )

    async def ask():
        sources = Sources(NOBODY, NOBODY)
        try:
            return await answer_dashboard(sources, board, [1, 2, 3], {"namespace": "demo"}, WINDOW, at_s=120)
        finally:
            await sources.close()

    found = asyncio.run(ask())
    assert found["told"] == "Prometheus does not answer"
    assert found["variables"] == [{"name": "namespace", "label": "namespace", "values": ["demo"], "value": "demo"}]
    assert found["panels"]["1"]["state"] == found["panels"]["2"]["state"] == "down"
    assert found["panels"]["2"]["told"] == "Alertmanager does not answer"
    assert found["panels"]["3"]["state"] == "ok"


def test_traffic_is_told_by_inferenceservice_and_what_is_not_known_is_none():
    labels = {"namespace": "default", "inferenceservice": "flights"}
    found = join(
        [{"labels": labels, "values": [1.0, None]}],
        [{"labels": {**labels, "revision": "flights-predictor-00002"}, "value": 0.1}],
        {"requests": [{"labels": labels, "value": 20.0}], "p95_s": []},
    )
    assert found == {
        "default/flights": {
            "requests": 20.0,
            "p95_s": None,
            "revisions": {"flights-predictor-00002": 0.1},
            "history": [1.0, None],
        }
    }
