"""What the board tells Prometheus: how the yard's services are, as it saw them last."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from modelyard.board.watching import Look

LEFT_OUT = "left out"


class YardCollector(Collector):
    """Makes the series from the latest look; a service that is left out has none."""

    def __init__(self, latest: Callable[[], Look | None]) -> None:
        self._latest = latest

    def describe(self) -> Iterable[Metric]:
        """Nothing is registered by name: the collector need not be asked when it is added."""
        return []

    def collect(self) -> Iterable[Metric]:
        """The series as they are now."""
        seen = self._latest()
        return metrics_of(seen) if seen else []


def metrics_of(seen: Look) -> list[Metric]:
    """Every series of one look; what is not known has no sample."""
    ready = GaugeMetricFamily("modelyard_service_ready", "1 while the service answers its probe.", labels=["service"])
    restarts = CounterMetricFamily(
        "modelyard_service_restarts", "Starts since the last up that nobody asked for.", labels=["service"]
    )
    memory = GaugeMetricFamily(
        "modelyard_service_memory_bytes", "Memory of its processes, shared pages by their share.", labels=["service"]
    )
    cpu = CounterMetricFamily(
        "modelyard_service_cpu_seconds", "Processor time of its living processes.", labels=["service"]
    )
    for held in seen.status.services if seen.status else ():
        if held.state == LEFT_OUT:
            continue
        ready.add_metric([held.name], float(held.ready))
        restarts.add_metric([held.name], held.restarts)
        if held.memory_bytes is not None:
            memory.add_metric([held.name], held.memory_bytes)
        if held.name in seen.cpu_s:
            cpu.add_metric([held.name], seen.cpu_s[held.name])
    looked = GaugeMetricFamily("modelyard_yard_looked_at_seconds", "When the yard was looked at, since 1970.")
    looked.add_metric([], seen.at_s)
    return [ready, restarts, memory, cpu, looked, *_sizes(seen)]


def _sizes(seen: Look) -> list[Metric]:
    told = (
        ("modelyard_disk_free_bytes", "Free space where the yard lies.", seen.disk_free_bytes),
        ("modelyard_log_bytes", "Size of the yard's logs.", seen.log_bytes),
    )
    return [GaugeMetricFamily(name, about, value=size) for name, about, size in told if size is not None]


def make_registry(latest: Callable[[], Look | None]) -> CollectorRegistry:
    """A registry with the yard's series only."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(YardCollector(latest))
    return registry
