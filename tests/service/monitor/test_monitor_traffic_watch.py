"""The traffic watch against the yard's own Kubernetes API: series of a version live and go with its traffic."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme
import uvicorn

from modelyard.serving.api import create_app
from modelyard.serving.store import Store
from modelyard.waiting import wait_until

TOKEN = "a-token-of-this-test"
ITEM = "/apis/serving.kserve.io/v1beta1/namespaces/default/inferenceservices"
ONE, TWO = "flights-predictor-00001", "flights-predictor-00002"


class KubernetesApi:
    """The real API of the local substrate, in a thread; the test plays the controller and writes the status."""

    def __init__(self, folder: Path, port: int) -> None:
        authority = trustme.CA()
        leaf = authority.issue_cert("127.0.0.1")
        self._key, self._certificate = folder / "server.key", folder / "server.pem"
        leaf.private_key_pem.write_to_path(self._key)
        leaf.cert_chain_pems[0].write_to_path(self._certificate)
        self._ca, self._path, self._port = authority.cert_pem.bytes(), folder / "api.db", port
        (folder / "ca.pem").write_bytes(self._ca)
        self.http = httpx.Client(
            base_url=f"https://127.0.0.1:{port}",
            verify=ssl.create_default_context(cafile=str(folder / "ca.pem")),
            headers={"authorization": f"Bearer {TOKEN}"},
            trust_env=False,
        )

    def start(self) -> None:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        wait_until(self._answers, what="the Kubernetes API", deadline_s=60)

    async def _serve(self) -> None:
        app = create_app(Store(self._path), token=TOKEN)
        config = uvicorn.Config(
            app,
            host="127.0.0.1",
            port=self._port,
            ssl_keyfile=str(self._key),
            ssl_certfile=str(self._certificate),
            log_level="error",
        )
        self._server = uvicorn.Server(config)
        self._server.capture_signals = contextlib.nullcontext  # a thread may not catch signals
        await self._server.serve()

    def _answers(self) -> bool:
        try:
            return self.http.get(ITEM).status_code == 200
        except httpx.HTTPError:
            return False

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)

    def write_kubeconfig(self, path: Path) -> None:
        held = {
            "clusters": [
                {
                    "name": "yard",
                    "cluster": {
                        "server": f"https://127.0.0.1:{self._port}",
                        "certificate-authority-data": base64.b64encode(self._ca).decode(),
                    },
                }
            ],
            "users": [{"name": "me", "user": {"token": TOKEN}}],
            "contexts": [{"name": "yard", "context": {"cluster": "yard", "user": "me"}}],
            "current-context": "yard",
        }
        path.write_text(json.dumps(held))

    def deploy(self, version: str, *, created: str, traffic: list[dict]) -> None:
        """The InferenceService with a model version, and the status as the controller would write it."""
        spec = {"predictor": {"model": {"modelFormat": {"name": "mlflow"}, "storageUri": f"s3://mlflow/{version}"}}}
        wanted = {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {"name": "flights", "annotations": {"modelyard.dev/model-version": version}},
            "spec": spec,
        }
        answer = self.http.patch(
            f"{ITEM}/flights", json=wanted, headers={"content-type": "application/merge-patch+json"}
        )
        if answer.status_code == 404:
            answer = self.http.post(ITEM, json=wanted)
        held = answer.raise_for_status().json()
        predictor = {"latestCreatedRevision": created, "traffic": traffic}
        held["status"] = {
            "observedGeneration": held["metadata"]["generation"],
            "components": {"predictor": predictor},
        }
        self.http.put(f"{ITEM}/flights/status", json=held).raise_for_status()


@pytest.fixture
def api(block: int, tmp_path: Path) -> Iterator[KubernetesApi]:
    folder = tmp_path / "api"
    folder.mkdir()
    held = KubernetesApi(folder, block + 1)
    held.start()
    yield held
    held.http.close()
    held.stop()


def versions_with_series(monitor) -> set[str]:
    return {
        name.partition('model_version="')[2].partition('"')[0]
        for name in monitor.metrics()
        if name.startswith("modelyard_monitor_rows_total")
    }


def told(monitor, name: str, *labels: str) -> set[tuple[str, ...]]:
    """Values of these labels of each series of a name."""
    lines = [line for line in monitor.metrics() if line.startswith(f"modelyard_monitor_{name}{{")]
    return {tuple(line.partition(f'{label}="')[2].partition('"')[0] for label in labels) for line in lines}


def in_traffic(monitor) -> dict[str, bool]:
    return {held["model_version"]: held["in_traffic"] for held in monitor.status()["versions"]}


def wait_series(monitor, *versions: str) -> None:
    wait_until(
        lambda: versions_with_series(monitor) == set(versions),
        what=f"series of versions {versions}",
        deadline_s=30,
        last_answer=monitor.log.read_text,
    )


def test_series_follow_the_traffic_through_canary_promotion_and_a_lost_api(monitor, api, kit):
    api.write_kubeconfig(monitor.conn.kubeconfig)
    for version in "12":
        monitor.send_pairs(kit["rows"](10, seed=1), ["early"] * 10, prefix=version, version=version)
    api.deploy("1", created=ONE, traffic=[{"revisionName": ONE, "percent": 100, "latestRevision": True}])
    wait_series(monitor, "1")
    split = [{"revisionName": TWO, "percent": 10, "latestRevision": True}, {"revisionName": ONE, "percent": 90}]
    api.deploy("2", created=TWO, traffic=split)
    wait_series(monitor, "1", "2")
    assert told(monitor, "revision_info", "revision", "model_version") == {(ONE, "1"), (TWO, "2")}
    wait_until(
        lambda: (
            told(monitor, "traffic_change_timestamp_seconds", "model_version", "change")
            == {("1", "promoted"), ("2", "canary")}
        ),
        what="the canary to be told",
        deadline_s=30,
    )
    monitor.kill()
    monitor.start()
    wait_series(monitor, "1", "2")
    api.deploy("2", created=TWO, traffic=[{"revisionName": TWO, "percent": 100, "latestRevision": True}])
    wait_series(monitor, "2")
    assert in_traffic(monitor) == {"1": False, "2": True}
    wait_until(
        lambda: (
            told(monitor, "traffic_change_timestamp_seconds", "model_version", "change")
            == {("1", "promoted"), ("2", "canary"), ("2", "promoted")}
        ),
        what="the promotion to be told",
        deadline_s=30,
    )
    api.stop()
    wait_until(lambda: "did not answer" in monitor.log.read_text(), what="the loss to be noticed", deadline_s=30)
    assert in_traffic(monitor) == {"1": False, "2": True}
    monitor.kill()
    monitor.start()
    assert in_traffic(monitor) == {"1": False, "2": True}
    api.start()
    api.deploy("2", created=TWO, traffic=[{"revisionName": TWO, "percent": 0}, {"revisionName": ONE, "percent": 100}])
    wait_series(monitor, "1")
    api.http.delete(f"{ITEM}/flights").raise_for_status()
    wait_series(monitor)
