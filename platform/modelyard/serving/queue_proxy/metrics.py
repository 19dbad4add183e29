"""The queue-proxy's series under the names that Knative gives them, counted cheaper than a client library does.

Source: serving v0.50 exports OpenTelemetry; names, labels and bounds as a cluster answers on port 9091. The labels
otel_scope_*, which name Go libraries, are left out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
BYTES = (0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000)
SERVER_LABELS = (
    "http_request_method",
    "http_response_status_code",
    "kn_route_tag",
    "network_protocol_name",
    "network_protocol_version",
    "server_address",
    "server_port",
    "url_scheme",
)
ROUTE_TAG = "kn:disabled"
"""What Knative says where routing by a header is off."""


class Tally:
    """One histogram of one set of labels."""

    __slots__ = ("_bounds", "_counts", "_total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    def read(self) -> tuple[list[tuple[str, float]], float]:
        """Cumulative buckets as Prometheus has them, and the sum."""
        seen, buckets = 0, []
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            seen += count
            buckets.append((bound, float(seen)))
        return buckets, self._total


class Tallies:
    """What is counted of the requests with one method and one status."""

    __slots__ = ("duration_s", "request_bytes", "response_bytes")

    def __init__(self) -> None:
        self.duration_s = Tally(SECONDS)
        self.request_bytes = Tally(BYTES)
        self.response_bytes = Tally(BYTES)


SERVER_SERIES = (
    ("http_server_request_body_size_bytes", "Size of HTTP server request bodies.", "request_bytes"),
    ("http_server_request_duration_seconds", "Duration of HTTP server requests.", "duration_s"),
    ("http_server_response_body_size_bytes", "Size of HTTP server response bodies.", "response_bytes"),
)


@dataclass(frozen=True)
class Target:
    """The replica, for `target_info`."""

    namespace: str
    pod: str
    service: str
    revision: str
    port: int

    def labels(self) -> dict[str, str]:
        """Labels as Knative's queue-proxy has them; a Knative service is `<InferenceService>-predictor`."""
        return {
            "container_name": "queue-proxy",
            "k8s_namespace_name": self.namespace,
            "k8s_pod_name": self.pod,
            "kn_configuration_name": self.service,
            "kn_revision_name": self.revision,
            "kn_service_name": self.service,
            "service_instance_id": self.pod,
            "service_name": self.service,
        }


class QueueProxyMetrics(Collector):
    """Counts requests and gives the series to a registry.

    Args:
        target: the replica.
        depth: tells how many requests its breaker holds; None where it has none, then there is no such series.
    """

    def __init__(self, target: Target, depth: Callable[[], int] | None) -> None:
        self._target = target
        self._depth = depth
        self._served: dict[tuple[str, int], Tallies] = {}
        self._invoked: dict[int, Tally] = {}

    def served(self, method: str, status: int, duration_s: float, request_bytes: int, response_bytes: int) -> None:
        """A request was answered; seconds from its arrival to the end of the answer."""
        held = self._served.get((method, status))
        if held is None:
            held = self._served[method, status] = Tallies()
        held.duration_s.add(duration_s)
        held.request_bytes.add(request_bytes)
        held.response_bytes.add(response_bytes)

    def invoked(self, status: int, duration_s: float) -> None:
        """The model server answered; seconds that it took, without the queue before it."""
        held = self._invoked.get(status)
        if held is None:
            held = self._invoked[status] = Tally(SECONDS)
        held.add(duration_s)

    def collect(self) -> Iterator[Metric]:
        """Every series."""
        fixed = (ROUTE_TAG, "http", "1.1", "127.0.0.1", str(self._target.port), "http")
        for name, about, field in SERVER_SERIES:
            family = HistogramMetricFamily(name, about, labels=SERVER_LABELS)
            for (method, status), tallies in self._served.items():
                buckets, total = getattr(tallies, field).read()
                family.add_metric((method, str(status), *fixed), buckets, total)
            yield family
        duration = HistogramMetricFamily(
            "kn_serving_invocation_duration_seconds",
            "The duration of task execution",
            labels=("http_response_status_code",),
        )
        for status, tally in self._invoked.items():
            duration.add_metric((str(status),), *tally.read())
        yield duration
        if self._depth is not None:
            about = "Number of current items in the queue proxy queue"
            yield GaugeMetricFamily("kn_serving_queue_depth", about, value=self._depth())
        labels = self._target.labels()
        info = GaugeMetricFamily("target_info", "Target metadata", labels=tuple(labels))
        info.add_metric(tuple(labels.values()), 1)
        yield info
