"""Events in, windows and verdicts out: the whole way through real processes."""

from __future__ import annotations

import numpy as np
from scipy.stats import wasserstein_distance


def normalised(reference: list[dict], current: list[dict], column: str) -> float:
    """The formula of the normalised Wasserstein distance, over what is not missing."""
    before = np.array([row[column] for row in reference if row[column] is not None])
    now = np.array([row[column] for row in current if row[column] is not None])
    return wasserstein_distance(before, now) / before.std()


def shares_of(metrics: dict[str, float], column: str, side: str) -> dict[tuple[float, float], float]:
    """What a side's series tell of a column without missing values: the part of the rows by range."""
    told = {}
    for name, value in metrics.items():
        wanted = (f'column="{column}"', f'side="{side}"')
        if name.startswith("modelyard_monitor_distribution_ratio{") and all(label in name for label in wanted):
            text = name.partition('range="')[2].partition('"')[0]
            low, _, high = text.replace("below ", "-inf to ").replace(" and more", " to inf").partition(" to ")
            told[float(low), float(high)] = value
    return told


def test_windows_without_and_with_drift_are_told_with_the_distance_that_scipy_computes(monitor, run_id, reference, kit):
    calm, warm = kit["rows"](200, seed=2), kit["rows"](200, seed=3, shift=25)
    classes = ["on_time"] * 120 + ["early"] * 60 + ["late"] * 20
    monitor.send_pairs(calm, classes, prefix="a", run_id=run_id)
    monitor.post("/phase", {"namespace": "default", "inferenceservice": "flights", "name": "july"}).raise_for_status()
    monitor.send_pairs(warm, classes, prefix="b", run_id=run_id)
    windows = monitor.wait_windows(2)
    assert [w["phase"] for w in windows] == ["", "july"]
    assert [w["drifted"] for w in windows] == [False, True]
    assert [w["breaches_in_a_row"] for w in windows] == [0, 1]
    for window, current in zip(windows, (calm, warm), strict=True):
        for column in ("dewp", "wind", "humid"):
            assert abs(window["columns"][column] - normalised(reference, current, column)) < 1e-9
        assert window["prediction"] == {"early": 0.3, "on_time": 0.6, "late": 0.1, "very_late": 0.0}
    page = monitor.http.get(windows[1]["report"])
    assert page.status_code == 200 and "dewp" in page.text and len(page.content) > 100_000
    held = monitor.metrics()
    labels = 'inferenceservice="flights",model_version="1",namespace="default"'
    drift = {name: value for name, value in held.items() if name.startswith("modelyard_monitor_column_drift{")}
    assert len(drift) == 4 and max(drift.values()) > 2
    assert [v for n, v in held.items() if n.startswith("modelyard_monitor_drift_breaches_in_a_row")] == [1.0]
    assert held["modelyard_monitor_report_seconds_count"] == 2
    assert labels.split(",", maxsplit=1)[0] in next(iter(drift))
    for side, rows in (("trained on", reference), ("now", warm)):
        shares = shares_of(held, "dewp", side)
        assert abs(sum(shares.values()) - 1) < 0.002
        for (low, high), share in shares.items():
            counted = sum(row["dewp"] is not None and low <= row["dewp"] < high for row in rows)
            assert abs(share - counted / len(rows)) < 1e-4
    assert len(drift) * 12 * 2 >= sum(name.startswith("modelyard_monitor_distribution_ratio") for name in held) > 0
