"""Which model versions have traffic: read from the InferenceServices' status through the kubeconfig.

Only plain reads over https: the kubernetes package would cost this service 100 MiB.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from modelyard.kube import GROUP, PLURAL, VERSION, Object, traffic
from modelyard.monitor.cloudevents import VERSION_ANNOTATION
from modelyard.monitor.queries import Reader
from modelyard.monitor.writer import Writer

log = logging.getLogger(__name__)
LOOK_EVERY_S = 1.0
PROMOTED, CANARY, ROLLED_BACK = "promoted", "canary", "rolled back"
Service = tuple[str, str]
"""Namespace and name."""
Revisions = dict[tuple[str, str], tuple[str, str, str]]
"""By (uid, revision name): namespace, InferenceService, model version."""


@dataclass(frozen=True)
class TrafficView:
    """What was last known of one InferenceService; `revisions` are those that get a share above 0."""

    uid: str
    revisions: frozenset[str]


@dataclass
class Observed:
    """What the API last said; kept as it was while the API cannot be reached, and over a restart."""

    services: dict[Service, TrafficView] = field(default_factory=dict)
    known: Revisions = field(default_factory=dict)


def read_service(held: Object) -> tuple[Service, TrafficView]:
    """The revisions of an InferenceService that get traffic."""
    meta = held["metadata"]
    named = {entry.get("revisionName", "") for entry in traffic(held) if entry.get("percent") or 0}
    return (meta["namespace"], meta["name"]), TrafficView(str(meta.get("uid", "")), frozenset(named - {""}))


def read_revision(held: Object) -> tuple[str, str, str] | None:
    """Uid, newest revision and its model version, or None while the controller has not caught up with the spec."""
    meta, status = held["metadata"], held.get("status", {})
    revision = status.get("components", {}).get("predictor", {}).get("latestCreatedRevision")
    version = (meta.get("annotations") or {}).get(VERSION_ANNOTATION)
    # Above the generation where only annotations changed: KServe takes the number from Knative's service.
    caught_up = (status.get("observedGeneration") or 0) >= (meta.get("generation") or 0)
    if not revision or version is None or not caught_up:
        return None
    return str(meta.get("uid", "")), revision, version


def decide_in_traffic(observed: Observed, service: Service, model_version: str) -> bool:
    """Whether a model version gets traffic.

    An InferenceService that the API never showed counts as having it, and so does a version that no known revision
    has while a revision of unknown version gets traffic: it may be that one.
    """
    view = observed.services.get(service)
    revisions = {key: found for key, found in observed.known.items() if found[:2] == service}
    if view is None:
        return not revisions
    named = {revision: found[2] for (uid, revision), found in revisions.items() if uid == view.uid}
    if any(named.get(revision) == model_version for revision in view.revisions):
        return True
    return model_version not in named.values() and any(revision not in named for revision in view.revisions)


@dataclass(frozen=True)
class Roles:
    """Which model version an InferenceService is on, and which ones it tries beside it."""

    stable: str = ""
    canaries: frozenset[str] = frozenset()

    def after(self, model_version: str, change: str) -> Roles:
        """The roles after a change."""
        if change == PROMOTED:
            return Roles(model_version)
        if change == CANARY:
            return replace(self, canaries=self.canaries | {model_version})
        return replace(self, canaries=self.canaries - {model_version})


def decide_changes(roles: Roles, versions: frozenset[str]) -> list[tuple[str, str]]:
    """What has happened, by the model versions that get traffic now: version and change of each.

    A version that has it all is promoted, unless it was the stable one: then those beside it were rolled back.
    """
    if len(versions) == 1:
        (only,) = versions
        if only != roles.stable:
            return [(only, PROMOTED)]
        return [(version, ROLLED_BACK) for version in sorted(roles.canaries)]
    if roles.stable not in versions:
        return []
    return [(version, CANARY) for version in sorted(versions - roles.canaries - {roles.stable})]


def versions_in_traffic(observed: Observed, view: TrafficView) -> frozenset[str] | None:
    """Model versions of the revisions that get traffic; None while one of them is not known."""
    named = [observed.known.get((view.uid, revision)) for revision in view.revisions]
    return None if None in named else frozenset(found[2] for found in named if found)


class KubernetesApi:
    """Reads InferenceServices with what a kubeconfig holds: server, CA and token."""

    def __init__(self, kubeconfig: Path) -> None:
        held = _load(kubeconfig)
        context = _named(held["contexts"], held["current-context"])["context"]
        cluster = _named(held["clusters"], context["cluster"])["cluster"]
        user = _named(held["users"], context["user"])["user"]
        self._client = httpx.AsyncClient(
            base_url=cluster["server"],
            headers={"authorization": f"Bearer {user['token']}"},
            verify=_trust(cluster),
            timeout=5,
            trust_env=False,
        )

    async def list(self) -> Iterable[Object]:
        """Every InferenceService of every namespace.

        Raises:
            httpx.HTTPError: the API cannot be reached, or says no.
        """
        answer = await self._client.get(f"/apis/{GROUP}/{VERSION}/{PLURAL}")
        answer.raise_for_status()
        return answer.json()["items"]

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _load(kubeconfig: Path) -> Mapping[str, Any]:
    import yaml

    return yaml.safe_load(kubeconfig.read_text("utf-8"))


def _named(items: Iterable[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    return next(item for item in items if item["name"] == name)


def _trust(cluster: Mapping[str, Any]) -> ssl.SSLContext:
    data = cluster.get("certificate-authority-data")
    if data:
        return ssl.create_default_context(cadata=base64.b64decode(data).decode("ascii"))
    return ssl.create_default_context(cafile=cluster.get("certificate-authority"))


class TrafficWatch:
    """Looks at the API each second; a kubeconfig that is made anew (at each `up`) is read anew."""

    def __init__(self, kubeconfig: Path, writer: Writer, reader: Reader) -> None:
        self._kubeconfig, self._writer = kubeconfig, writer
        seen = {service: TrafficView(uid, frozenset(held)) for service, (uid, held) in reader.traffic().items()}
        self.observed = Observed(seen, reader.revisions())
        self._roles: dict[str, Roles] = {}
        for held in reader.changes():
            self._roles[held.uid] = self._roles.get(held.uid, Roles()).after(held.model_version, held.change)
        self._api: KubernetesApi | None = None
        self._reachable = True

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            while True:
                try:
                    await self._look()
                    self._reachable = True
                except (httpx.HTTPError, OSError, LookupError, StopIteration, TypeError, ValueError) as error:
                    await self._forget_api(error)
                except Exception:
                    log.exception("the traffic watch goes on")
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            await self._close()

    async def _look(self) -> None:
        if self._api is None:
            self._api = KubernetesApi(self._kubeconfig)
        services: dict[Service, TrafficView] = {}
        for held in await self._api.list():
            service, view = read_service(held)
            services[service] = view
            await self._note(service, read_revision(held))
        if services != self.observed.services:
            told = {service: (view.uid, view.revisions) for service, view in services.items()}
            await self._writer.commit(lambda store: store.keep_traffic(told))
        self.observed.services = services
        for service, view in services.items():
            await self._tell_changes(service, view)

    async def _tell_changes(self, service: Service, view: TrafficView) -> None:
        versions = versions_in_traffic(self.observed, view)
        if versions is None:
            return
        roles = self._roles.get(view.uid, Roles())
        for version, change in decide_changes(roles, versions):
            await self._keep_change(view.uid, service, version, change)
            roles = roles.after(version, change)
        self._roles[view.uid] = roles

    async def _note(self, service: Service, found: tuple[str, str, str] | None) -> None:
        if found is None or found[:2] in self.observed.known:
            return
        uid, revision, version = found
        await self._writer.commit(lambda store: store.note_revision(uid, revision, service, version))
        self.observed.known[uid, revision] = (*service, version)

    async def _keep_change(self, uid: str, service: Service, version: str, change: str) -> None:
        now = time.time()
        await self._writer.commit(lambda store: store.note_change(uid, service, version, change, now))
        log.info("version %s of %s: %s", version, service, change)

    async def _forget_api(self, error: Exception) -> None:
        if self._reachable:
            log.warning("the Kubernetes API did not answer: %s: %s; traffic stays as last known", type(error), error)
        self._reachable = False
        await self._close()

    async def _close(self) -> None:
        api, self._api = self._api, None
        if api is not None:
            await api.close()
