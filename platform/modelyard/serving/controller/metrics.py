"""What the control plane tells Prometheus: its own series, and where the replicas are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import REGISTRY, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from modelyard.autoscaling.revision import Outcome
from modelyard.autoscaling.samples import PodCounts, Sample, labels_of, samples
from modelyard.serving.gateway.tables import replace_file
from modelyard.serving.replicas.records import ReplicaRecord

if TYPE_CHECKING:
    from modelyard.serving.controller.revisions import Revision
    from modelyard.serving.controller.rounds import Key, Round

LABELS = ["namespace", "inferenceservice", "revision"]


def _gauges(told: Iterable[Sample]) -> list[Metric]:
    """Samples as one family for each name."""
    families: dict[str, GaugeMetricFamily] = {}
    for sample in told:
        family = families.setdefault(sample.name, GaugeMetricFamily(sample.name, sample.help))
        family.add_sample(sample.name, sample.labels, sample.value)
    return list(families.values())


class _LastRound(Collector):
    """Series of what the last round saw; what is gone from the round is gone from the series."""

    def __init__(self) -> None:
        self.replicas: dict[tuple[str, str, str, str], int] = {}
        self.traffic: dict[tuple[str, str, str], float] = {}
        self.ready: dict[tuple[str, str], float] = {}
        self.failures: dict[tuple[str, str, str], int] = {}
        self.autoscaler: list[Sample] = []

    def collect(self) -> Iterable[Metric]:
        replicas = GaugeMetricFamily(
            "modelyard_serving_replicas", "Replicas by state: starting, ready", labels=[*LABELS, "state"]
        )
        for labels, count in self.replicas.items():
            replicas.add_metric(labels, count)
        traffic = GaugeMetricFamily(
            "modelyard_serving_traffic_ratio", "Part of the requests that goes to the revision", labels=LABELS
        )
        for where, ratio in self.traffic.items():
            traffic.add_metric(where, ratio)
        failures = GaugeMetricFamily(
            "modelyard_serving_replica_failures", "Ends of replicas in a row that nobody asked for", labels=LABELS
        )
        for where, number in self.failures.items():
            failures.add_metric(where, number)
        return [replicas, traffic, failures, *_gauges(self.autoscaler)]


_LAST = _LastRound()
REGISTRY.register(_LAST)


def observe(held: Round, outcomes: Mapping[Key, Outcome]) -> None:
    """Take a round's counts, and each revision's last outcome of the autoscaler."""
    replicas: dict[tuple[str, str, str, str], int] = {}
    traffic: dict[tuple[str, str, str], float] = {}
    failures: dict[tuple[str, str, str], int] = {}
    autoscaler: list[Sample] = []
    for revisions in held.revisions.values():
        for revision in revisions:
            where = (revision.namespace, revision.inferenceservice, revision.name)
            ready = len(held.ready_of(revision))
            replicas[(*where, "ready")] = ready
            replicas[(*where, "starting")] = len(held.living_of(revision)) - ready
            if held.wanted.get(revision.key):  # of a revision that shall have no replica nobody need be warned
                failures[where] = revision.failures
            if revision.key in outcomes:
                autoscaler += _autoscaler_samples(held, revision, outcomes[revision.key])
    for (namespace, name), decision in held.decisions.items():
        for target in decision.rollout.traffic:
            where = (namespace, name, target.revision)
            traffic[where] = traffic.get(where, 0.0) + target.percent / 100
    _LAST.replicas, _LAST.traffic, _LAST.failures, _LAST.autoscaler = replicas, traffic, failures, autoscaler


def _autoscaler_samples(held: Round, revision: Revision, outcome: Outcome) -> Iterable[Sample]:
    """What Knative's autoscaler would tell of the revision."""
    ready, living = len(held.ready_of(revision)), len(held.living_of(revision))
    leaving = sum(r.state != "exited" for r in held.of(revision)) - living
    service = f"{revision.inferenceservice}-predictor"
    labels = labels_of(namespace=revision.namespace, service=service, configuration=service, revision=revision.name)
    pods = PodCounts(ready=ready, not_ready=living - ready, terminating=leaving)
    return samples(outcome, held.scaling[revision.key], pods, labels)


def exposition() -> bytes:
    """The control plane's own series in Prometheus' text format."""
    return generate_latest(REGISTRY)


def targets(replicas: Iterable[ReplicaRecord]) -> str:
    """Content of Prometheus' file_sd file: one group a replica."""
    groups: list[dict[str, Any]] = [
        {
            "targets": [f"127.0.0.1:{replica.port}"],
            "labels": {
                "namespace": replica.spec.namespace,
                "inferenceservice": replica.spec.inferenceservice,
                "revision": replica.spec.revision,
                "replica": replica.name,
            },
        }
        for replica in sorted(replicas, key=lambda held: held.name)
    ]
    return json.dumps(groups, indent=1)


class Targets:
    """Prometheus' file_sd file, replaced whole when what it tells has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written = ""

    def write(self, replicas: Iterable[ReplicaRecord]) -> None:
        """Tell these replicas."""
        found = targets(replicas)
        if found != self._written:
            replace_file(self._path, found.encode())
            self._written = found
