"""Lineage, walked both ways: from the data to the endpoint, and from an endpoint's answer back to the data's md5."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from modelyard.connections import Connections
from modelyard.errors import DeployFailed
from modelyard.kube import InferenceServices, traffic
from modelyard.registry.deployment import DATA_MD5, MODEL_DIGEST, MODEL_VERSION, REGISTERED_MODEL, RUN_ID
from modelyard.registry.models import MODEL, ModelVersion, list_versions
from modelyard.settings import load_settings


@dataclass(frozen=True)
class Revision:
    """A revision that gets traffic. `model_version` is None where nothing tells which version an older one serves."""

    name: str
    percent: int
    model_version: str | None


@dataclass(frozen=True)
class Endpoint:
    """An InferenceService of the model: what its annotations say of the latest revision, and who gets the traffic."""

    namespace: str
    name: str
    url: str
    annotations: Mapping[str, str]
    revisions: tuple[Revision, ...]


@dataclass(frozen=True)
class Lineage:
    """The chain of a registered model. `endpoints` is None where the Kubernetes API did not answer."""

    model: str
    versions: tuple[ModelVersion, ...]
    endpoints: tuple[Endpoint, ...] | None

    def version(self, number: str | None) -> ModelVersion | None:
        """A version of the chain by its number."""
        return next((held for held in self.versions if held.version == number), None)


def walk(conn: Connections, model: str = MODEL) -> Lineage:
    """Collect the chain from MLflow, the Kubernetes API and the monitor.

    Raises:
        YardError: MLflow does not answer.
    """
    return Lineage(model, tuple(list_versions(conn, model)), _endpoints(conn, model))


def name_revisions(service: Mapping[str, Any], versions_in_traffic: Iterable[str]) -> tuple[Revision, ...]:
    """Which model version each revision with traffic serves.

    The API tells it of the latest revision only, whose annotations are the InferenceService's. What the monitor sees
    in traffic besides is the older revision's, if it is one version.

    Args:
        service: the InferenceService, as the API gives it.
        versions_in_traffic: model versions that the monitor sees, the latest included or not.
    """
    metadata, status = service["metadata"], service.get("status", {})
    latest = status.get("components", {}).get("predictor", {}).get("latestCreatedRevision")
    if status.get("observedGeneration") != metadata.get("generation"):
        latest = None
    its_version = metadata.get("annotations", {}).get(MODEL_VERSION)
    others = set(versions_in_traffic) - {its_version}
    older = others.pop() if len(others) == 1 else None
    shares = [entry for entry in traffic(dict(service)) if entry.get("percent")]
    return tuple(
        Revision(
            name=entry["revisionName"],
            percent=entry["percent"],
            model_version=its_version if entry["revisionName"] == latest else older,
        )
        for entry in shares
    )


def problems(lineage: Lineage) -> list[str]:
    """Where the annotations of an endpoint do not say what the registry says."""
    found = []
    for endpoint in lineage.endpoints or ():
        named = endpoint.annotations.get(MODEL_VERSION)
        version = lineage.version(named)
        if version is None:
            found.append(f"{endpoint.namespace}/{endpoint.name} serves version {named}, which is not registered")
            continue
        said = {RUN_ID: version.run_id, DATA_MD5: version.data_md5, MODEL_DIGEST: version.digest}
        found += [
            f"{endpoint.namespace}/{endpoint.name}: {key} is {endpoint.annotations.get(key)}, the registry says {value}"
            for key, value in said.items()
            if endpoint.annotations.get(key) != value
        ]
    return found


def render_forward(lineage: Lineage) -> list[str]:
    """The chain from the data to the endpoint, a line a hop."""
    if not lineage.versions:
        return [f"{lineage.model} has no registered version yet"]
    lines = []
    by_data = sorted(lineage.versions, key=lambda held: (held.data_version, held.data_md5, int(held.version)))
    for (name, md5), versions in groupby(by_data, key=lambda held: (held.data_version, held.data_md5)):
        lines.append(f"data {name or '?'}  md5 {md5 or 'unknown'}")
        for version in versions:
            lines.append(f"  -> run {version.run_id}  git {version.git_commit[:10]}{_accuracy(version)}")
            lines.append(f"    -> version {_told(version)}  digest {version.digest[:12]}")
            lines += [f"      -> {line}" for line in _serving(lineage, version)]
    return lines


def render_backward(lineage: Lineage) -> list[str]:
    """The chain from each endpoint back to the data, a line a hop."""
    if lineage.endpoints is None:
        return ["the Kubernetes API does not answer: what is deployed is not known"]
    if not lineage.endpoints:
        return [f"no InferenceService serves {lineage.model}"]
    lines = []
    for endpoint in lineage.endpoints:
        lines.append(f"{endpoint.url or endpoint.name}  InferenceService {endpoint.namespace}/{endpoint.name}")
        for revision in endpoint.revisions:
            lines.append(f"  <- {revision.percent:3d} % revision {revision.name}")
            version = lineage.version(revision.model_version)
            if version is None:
                lines.append(
                    "    <- its version is not known: an older revision, and the monitor has seen no event of it"
                )
                continue
            lines.append(f"    <- version {_told(version)}  digest {version.digest[:12]}")
            lines.append(f"      <- run {version.run_id}  git {version.git_commit[:10]}{_accuracy(version)}")
            lines.append(f"        <- data {version.data_version}  md5 {version.data_md5}  {version.data_url}")
    return lines + [f"DIFFERS: {problem}" for problem in problems(lineage)]


def _serving(lineage: Lineage, version: ModelVersion) -> list[str]:
    return [
        f"InferenceService {endpoint.namespace}/{endpoint.name}  revision {revision.name}  {revision.percent} %  "
        f"{endpoint.url}".rstrip()
        for endpoint in lineage.endpoints or ()
        for revision in endpoint.revisions
        if revision.model_version == version.version
    ]


def _told(version: ModelVersion) -> str:
    aliases = "".join(f" @{alias}" for alias in version.aliases)
    return f"{version.version} of {version.name}{aliases}  gate {version.gate or 'not asked'}"


def _accuracy(version: ModelVersion) -> str:
    return "" if version.accuracy is None else f"  accuracy {version.accuracy:.3f}"


def _endpoints(conn: Connections, model: str) -> tuple[Endpoint, ...] | None:
    services = _list_services(conn)
    if services is None:
        return None
    ours = [held for held in services if held["metadata"].get("annotations", {}).get(REGISTERED_MODEL) == model]
    seen = _versions_in_traffic(conn) if ours else {}
    return tuple(
        Endpoint(
            namespace=held["metadata"]["namespace"],
            name=held["metadata"]["name"],
            url=held.get("status", {}).get("url", ""),
            annotations=held["metadata"]["annotations"],
            revisions=name_revisions(
                held, seen.get((held["metadata"]["namespace"], held["metadata"]["name"]), frozenset())
            ),
        )
        for held in ours
    )


def _list_services(conn: Connections) -> list[dict[str, Any]] | None:
    from kubernetes.config import ConfigException
    from urllib3.exceptions import HTTPError

    try:
        return InferenceServices(conn.kubeconfig, load_settings().namespace).list()
    except (ConfigException, HTTPError, OSError, DeployFailed):
        return None


def _versions_in_traffic(conn: Connections) -> dict[tuple[str, str], set[str]]:
    """Model versions that the monitor sees in traffic, by namespace and InferenceService; none where it is down."""
    import httpx

    try:
        answer = httpx.get(f"{conn.address('monitor')}/status", timeout=5, trust_env=False).raise_for_status()
        told = answer.json()["versions"]
    except (httpx.HTTPError, ValueError, KeyError):
        return {}
    seen: dict[tuple[str, str], set[str]] = {}
    for held in told:
        if held["in_traffic"]:
            seen.setdefault((held["namespace"], held["inferenceservice"]), set()).add(str(held["model_version"]))
    return seen
