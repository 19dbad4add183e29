"""The panels that the charts of several load tests share; times are seconds from the first request."""

from __future__ import annotations

from collections.abc import Sequence

from modelyard.drawing.charts import Limit
from modelyard.drawing.timeline import Curve, Panel
from modelyard.load.measures import Request, latency_series, rate
from modelyard.load.sampling import Sample

Points = list[tuple[float, float | None]]


def step_of(seconds: float) -> float:
    """How long a step of the chart is: some hundred steps, and no shorter than a tenth of a second."""
    return next((step for step in (0.1, 0.2, 0.25, 0.5, 1.0, 2.0) if seconds / step <= 120), 5.0)


def load_panel(requests: Sequence[Request], began: float, seconds: float) -> Panel:
    """Answers a second."""
    step_s = step_of(seconds)
    return Panel("Load (requests/s)", [Curve("answers", placed(rate(requests, began, seconds, step_s), step_s))])


def latency_panel(requests: Sequence[Request], began: float, seconds: float, limit: Limit | None = None) -> Panel:
    """Median and 95th percentile of the answers of each step."""
    step_s = step_of(seconds)
    curves = [
        Curve(f"p{percent}", placed(latency_series(requests, began, seconds, percent, step_s), step_s))
        for percent in (95, 50)
    ]
    return Panel("Latency (ms)", curves, limit)


def replicas(samples: Sequence[Sample], began: float) -> Points:
    """Ready replicas, as they were seen."""
    return [(sample.time - began, sample.ready) for sample in samples if sample.time >= began]


def placed(values: Sequence[float | None], step_s: float) -> Points:
    """Each value in the middle of its step."""
    return [((place + 0.5) * step_s, value) for place, value in enumerate(values)]
