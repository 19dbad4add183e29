"""What the platform shows while a load test runs: replicas and traffic, twice a second, beside what Locust tells."""

from __future__ import annotations

import csv
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.errors import YardError
from modelyard.kube import is_pod_ready
from modelyard.rollout.canary import shares_of

if TYPE_CHECKING:
    from modelyard.kube import InferenceServices
    from modelyard.prometheus import Prometheus

INTERVAL_S = 0.5
FIGURES = ("users", "in_flight", "requests", "failures", "requests_per_second", "p50_ms", "p95_ms")


@dataclass(frozen=True)
class Sample:
    """One look: `time` in seconds since 1970; what was not known is None."""

    time: float
    ready: int | None
    pods: int | None
    shares: Mapping[str, int]
    load: Mapping[str, Any]

    def row(self) -> dict[str, Any]:
        """As a line of samples.csv."""
        shares = " ".join(f"{revision}={percent}" for revision, percent in self.shares.items())
        load = {name: self.load.get(name) for name in FIGURES}
        return {"time": round(self.time, 3), "ready": self.ready, "pods": self.pods, "traffic": shares, **load}


class Sampler:
    """Looks at one InferenceService from a thread of its own, from `with` to its end; what fails is left out."""

    def __init__(
        self,
        services: InferenceServices,
        prometheus: Prometheus,
        name: str,
        load: Callable[[], Mapping[str, Any]],
        show: Callable[[Sample], None],
    ) -> None:
        self.samples: list[Sample] = []
        self._services, self._prometheus, self._name = services, prometheus, name
        self._load, self._show = load, show
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def look(self) -> Sample:
        """One look now."""
        held = self._services.get(self._name)
        ready, pods = count_replicas(self._services, self._prometheus, self._name)
        return Sample(time.time(), ready, pods, shares_of(held or {}), dict(self._load()))

    def _run(self) -> None:
        while not self._ended.wait(INTERVAL_S):
            try:
                self.samples.append(self.look())
            except YardError:
                continue  # a control plane that is away tells nothing, and its requests go on
            self._show(self.samples[-1])


def count_replicas(services: InferenceServices, prometheus: Prometheus, name: str) -> tuple[int | None, int | None]:
    """Replicas that are ready, and all of them; from the API's pods, else (ready ones only) from Prometheus."""
    pods = services.pods(name)
    if pods is not None:
        return sum(map(is_pod_ready, pods)), len(pods)
    labels = f'namespace="{services.namespace}",inferenceservice="{name}"'
    found = prometheus.value(f"sum(modelyard:replicas_ready{{{labels}}})")
    return (None if found is None else int(found)), None


def write_samples(samples: list[Sample], path: Path) -> None:
    """samples.csv, a line a look."""
    with path.open("w", encoding="utf-8", newline="") as held:
        writer = csv.DictWriter(held, ["time", "ready", "pods", "traffic", *FIGURES])
        writer.writeheader()
        writer.writerows(sample.row() for sample in samples)
