"""The monitor's Prometheus metrics, made from the store at each scrape: a restart changes nothing in them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from modelyard.monitor.queries import Reader, TrafficChange, VersionView

PREFIX = "modelyard_monitor_"
LABELS = ("namespace", "inferenceservice", "model_version")
HOPE_S = 5.0
"""How long an event counts as backlog because its other half may still come; KServe's logger may lose one for good."""
REPORT_BUCKETS_S = (0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
MOST_REVISIONS = MOST_CHANGES = 10
"""Of one InferenceService, the newest."""
InTraffic = Callable[[tuple[str, str], str], bool]
"""Whether a model version of a service (namespace, name) gets traffic."""

COUNTERS = {
    "rows": "Rows of prediction pairs that a model version answered.",
    "truths": "Rows whose truth is known.",
}
DRIFT_GAUGES = {
    "columns_drifted": ("columns_drifted", "Columns beyond their threshold in the last drift window."),
    "drifted_share_ratio": ("share_ratio", "Share of columns beyond their threshold in the last drift window."),
    "drift_breaches_in_a_row": ("breaches_in_a_row", "Drift windows in a row that breached, up to the last."),
}
QUALITY_GAUGES = {
    "accuracy_ratio": ("accuracy", "Accuracy over the last window of truths."),
    "log_loss": ("log_loss", "Log-loss over the last window of truths."),
}
BY_NAME = (
    ("last_drift", "columns", "column_drift", "column", "Distance of a column to the reference, last drift window."),
    ("last_drift", "prediction", "prediction_ratio", "class", "Share of a predicted class, last drift window."),
    ("last_quality", "recall", "recall_ratio", "class", "Recall of a class over the last window of truths."),
    ("last_drift", "thresholds", "column_drift_threshold", "column", "Distance from which on a column has drifted."),
    (
        "last_quality",
        "breaches_in_a_row",
        "recall_breaches_in_a_row",
        "class",
        "Windows of truths in a row in which a class breached, up to the last.",
    ),
)
"""Which window, which part of its verdict, the metric's name, its label, its help."""


class MonitorCollector(Collector):
    """Series of the versions that have traffic, and of the monitor itself."""

    def __init__(self, reader: Reader, in_traffic: InTraffic, queued: Callable[[], int]) -> None:
        self._reader, self._in_traffic, self._queued = reader, in_traffic, queued

    def describe(self) -> Iterable[Metric]:
        """Nothing: the registry need not read the store when it is made."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every family, read from the store now."""
        seen = [held for held in self._reader.versions() if self._in_traffic(held.service, held.model_version)]
        newest = {(*held.service, held.model_version): held for held in sorted(seen, key=lambda v: v.last_seq)}
        yield from version_families(newest)
        yield distribution_family(newest)
        traffic = self._reader.traffic()
        yield revision_family(self._reader.revisions(), traffic)
        yield change_family(self._reader.changes(), traffic)
        yield self._events()
        yield self._backlog()
        yield report_histogram(self._reader.report_seconds())

    def _events(self) -> Metric:
        family = CounterMetricFamily(
            f"{PREFIX}events", "Events and truths acknowledged, by what became of them.", labels=["outcome"]
        )
        for outcome, n in self._reader.outcomes().items():
            family.add_metric([outcome], n)
        return family

    def _backlog(self) -> Metric:
        family = GaugeMetricFamily(f"{PREFIX}backlog", "Work that is not done yet.", labels=["kind"])
        for kind, n in read_backlog(self._reader, self._queued()).items():
            family.add_metric([kind], n)
        return family


def read_backlog(reader: Reader, queued: int) -> dict[str, int]:
    """Events and windows that are not done yet; `queued` requests wait for their commit."""
    held = reader.backlog(hoping_since=time.time() - HOPE_S)
    return {"events": held["events"] + queued, "windows": held["windows"]}


def version_families(versions: Mapping[tuple[str, str, str], VersionView]) -> Iterator[Metric]:
    """Families with one series a version, by its labels; what was not measured yet has no series."""
    for name, told in COUNTERS.items():
        counter = CounterMetricFamily(f"{PREFIX}{name}", told, labels=LABELS)
        for labels, held in versions.items():
            counter.add_metric(labels, getattr(held, name))
        yield counter
    yield _windows(versions)
    yield _wrong(versions)
    for window, gauges in (("last_drift", DRIFT_GAUGES), ("last_quality", QUALITY_GAUGES)):
        for name, (key, told) in gauges.items():
            gauge = GaugeMetricFamily(f"{PREFIX}{name}", told, labels=LABELS)
            for labels, held in versions.items():
                _add(gauge, labels, (getattr(held, window) or {}).get(key))
            yield gauge
    for window, part, name, label, told in BY_NAME:
        gauge = GaugeMetricFamily(f"{PREFIX}{name}", told, labels=(*LABELS, label))
        for labels, held in versions.items():
            for key, value in ((getattr(held, window) or {}).get(part) or {}).items():
                _add(gauge, (*labels, key), value)
        yield gauge


def _add(gauge: GaugeMetricFamily, labels: tuple[str, ...], value: Any) -> None:
    if value is not None:
        gauge.add_metric(labels, value)


def _windows(versions: Mapping[tuple[str, str, str], VersionView]) -> Metric:
    family = CounterMetricFamily(
        f"{PREFIX}windows", "Windows that were judged, by kind (drift, quality).", labels=(*LABELS, "kind")
    )
    for labels, held in versions.items():
        for kind in ("drift", "quality"):
            family.add_metric((*labels, kind), held.windows.get((kind, "done"), 0))
    return family


def _wrong(versions: Mapping[tuple[str, str, str], VersionView]) -> Metric:
    family = CounterMetricFamily(
        f"{PREFIX}wrong_predictions",
        "Rows of one class that were predicted as another.",
        labels=(*LABELS, "truth", "predicted"),
    )
    for labels, held in versions.items():
        for (truth, predicted), n in held.confusions.items():
            if truth != predicted:
                family.add_metric((*labels, truth, predicted), n)
    return family


def distribution_family(versions: Mapping[tuple[str, str, str], VersionView]) -> Metric:
    """How the columns are spread in the data that a version was trained on, and in its last drift window."""
    family = GaugeMetricFamily(
        f"{PREFIX}distribution_ratio",
        "Share of the rows whose value falls into a range, in the reference and in the last drift window.",
        labels=(*LABELS, "column", "bin", "range", "side"),
    )
    for labels, held in versions.items():
        for column, told in ((held.last_drift or {}).get("distributions") or {}).items():
            for number, name in enumerate(told["ranges"]):
                where = (*labels, column, f"{number:02d}", name)
                family.add_metric((*where, "trained on"), told["trained_on"][number])
                family.add_metric((*where, "now"), told["now"][number])
    return family


def revision_family(revisions: Mapping[tuple[str, str], tuple[str, str, str]], traffic: Mapping[Any, Any]) -> Metric:
    """Model version of each of the newest revisions of every InferenceService that there is."""
    family = GaugeMetricFamily(
        f"{PREFIX}revision_info", "1 for a revision and its model version.", labels=(*LABELS[:2], "revision", LABELS[2])
    )
    for service, (uid, _) in traffic.items():
        named = sorted((name, found) for (of, name), found in revisions.items() if of == uid and found[:2] == service)
        for name, (_, _, model_version) in named[-MOST_REVISIONS:]:
            family.add_metric((*service, name, model_version), 1)
    return family


def change_family(changes: Iterable[TrafficChange], traffic: Mapping[Any, Any]) -> Metric:
    """When versions last got their part of the traffic: the newest changes of every InferenceService that there is."""
    family = GaugeMetricFamily(
        f"{PREFIX}traffic_change_timestamp_seconds",
        "When a model version was promoted, began as a canary, or was rolled back.",
        labels=(*LABELS, "change"),
    )
    for service in traffic:
        newest = [held for held in changes if held.service == service][-MOST_CHANGES:]
        for (model_version, change), at in {(held.model_version, held.change): held.at for held in newest}.items():
            family.add_metric((*service, model_version, change), at)
    return family


def report_histogram(seconds: list[float]) -> Metric:
    """Seconds that reports took, as a histogram over all that were ever made."""
    buckets = [(str(bound), float(sum(took <= bound for took in seconds))) for bound in REPORT_BUCKETS_S]
    family = HistogramMetricFamily(f"{PREFIX}report_seconds", "Seconds that Evidently took for one window.")
    family.add_metric([], [*buckets, ("+Inf", float(len(seconds)))], sum(seconds))
    return family


def make_registry(reader: Reader, in_traffic: InTraffic, queued: Callable[[], int]) -> CollectorRegistry:
    """A registry of its own with the monitor's series, and what its process takes."""
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    registry.register(MonitorCollector(reader, in_traffic, queued))
    return registry
