"""Truth by (Ce-Id, row): quality per window of truths, wrong predictions per class, and the breaches that alert."""

from __future__ import annotations

PHASE = {"namespace": "default", "inferenceservice": "flights", "name": "july"}


def value(monitor, name: str, **labels: str) -> float | None:
    """The value of the series of a metric that has all of these labels."""
    wanted = [f'{key}="{text}"' for key, text in labels.items()]
    found = [
        v
        for series, v in monitor.metrics().items()
        if series.partition("{")[0] == f"modelyard_monitor_{name}" and all(label in series for label in wanted)
    ]
    return found[0] if found else None


def test_truth_before_and_after_the_pair_gives_quality_and_wrong_predictions(monitor, kit, run_id):
    rows = kit["rows"](100, seed=1)
    predicted = ["on_time"] * 60 + ["early"] * 40
    truth = ["on_time"] * 50 + ["late"] * 10 + ["early"] * 30 + ["on_time"] * 10
    assert monitor.tell_truths(truth[:50], prefix="a") == {"accepted": 50, "new": 50}
    monitor.send_pairs(rows, predicted, prefix="a", run_id=run_id)
    assert monitor.tell_truths(truth, prefix="a") == {"accepted": 100, "new": 50}
    (window,) = monitor.wait_windows(1, kind="quality")
    assert window["accuracy"] == 0.8 and window["rows"] == 100
    assert window["recall"] == {"early": 1.0, "on_time": 50 / 60, "late": 0.0, "very_late": None}
    assert value(monitor, "accuracy_ratio") == 0.8
    assert value(monitor, "recall_ratio", **{"class": "late"}) == 0
    assert value(monitor, "recall_ratio", **{"class": "very_late"}) is None
    assert value(monitor, "wrong_predictions_total", truth="late", predicted="on_time") == 10
    assert value(monitor, "wrong_predictions_total", truth="on_time", predicted="early") == 10
    assert value(monitor, "truths_total") == 100 and value(monitor, "windows_total", kind="quality") == 1
    assert {row["truth"] for row in monitor.rows()} == {"on_time", "late", "early"}


def test_early_flights_no_longer_recognised_breach_twice_in_a_row_and_recover(monitor, kit, run_id):
    rows = kit["rows"](100, seed=1)
    truth = ["early"] * 50 + ["on_time"] * 50
    breaches = []
    for at, recognised in enumerate((40, 10, 15, 45)):
        predicted = ["early"] * recognised + ["on_time"] * (100 - recognised)
        monitor.send_pairs(rows, predicted, prefix=f"w{at}", run_id=run_id)
        monitor.tell_truths(truth, prefix=f"w{at}")
        monitor.wait_windows(at + 1, kind="quality")
        breaches.append(value(monitor, "recall_breaches_in_a_row", **{"class": "early"}))
    assert breaches == [0, 1, 2, 0]
    assert monitor.version()["quality"]["breaches_in_a_row"] == {"early": 0}


def test_a_phase_ends_both_windows_and_says_which_phase_the_next_ones_have(monitor, kit, run_id):
    monitor.send_pairs(kit["rows"](150, seed=1), ["early"] * 150, prefix="a", run_id=run_id)
    monitor.tell_truths(["early"] * 50, prefix="a")
    monitor.wait_drained()
    assert monitor.post("/phase", PHASE).json() == {"windows_dropped": 2}
    monitor.send_pairs(kit["rows"](200, seed=2), ["early"] * 200, prefix="b", run_id=run_id)
    monitor.tell_truths(["early"] * 100, prefix="b")
    (drift,), (quality,) = monitor.wait_windows(1), monitor.wait_windows(1, kind="quality")
    assert [drift["phase"], quality["phase"], drift["rows"]] == ["july", "july", 200]
    held = monitor.version()
    assert (held["drift"]["dropped"], held["quality"]["dropped"], held["rows"]) == (1, 1, 350)


def test_truth_that_is_not_known_is_passed_over(monitor):
    truths = [{"id": "a", "row": 0, "class": None}, {"id": "a", "row": 1, "class": "early"}]
    assert monitor.post("/truth", {"truths": truths}).json() == {"accepted": 1, "new": 1}
