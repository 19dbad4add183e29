"""A live Kubernetes API: uvicorn with TLS on a free port, a kubeconfig, and the kubectls of this machine."""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trustme
import uvicorn
import yaml

from modelyard.serving.api import create_app
from modelyard.serving.store import Store
from modelyard.waiting import wait_until

Result = TypeVar("Result")
TOKEN = "token-of-the-tests"


@dataclass
class LiveApi:
    """A running API. `in_store` runs a function with the store in the server's own thread, as the controller does."""

    address: str
    kubeconfig: Path
    folder: Path
    loop: asyncio.AbstractEventLoop
    store: Store

    def in_store(self, act: Callable[[Store], Result]) -> Result:
        """The result of `act(store)`."""
        done: Future[Result] = Future()
        self.loop.call_soon_threadsafe(lambda: done.set_result(act(self.store)))
        return done.result(10)

    def write_status(self, name: str, ready: str, namespace: str = "default") -> dict[str, Any]:
        """Write a status as the controller does: Ready is True, False or Unknown."""

        def act(store: Store) -> dict[str, Any]:
            generation = store.get("inferenceservices", namespace, name)["metadata"]["generation"]
            revision = f"{name}-predictor-{generation:05d}"
            status = {
                "url": f"http://{name}.{namespace}.localhost:7600",
                "observedGeneration": generation,
                "conditions": [
                    {"type": "PredictorReady", "status": ready, "lastTransitionTime": "2026-11-24T00:00:00Z"},
                    {"type": "Ready", "status": ready, "lastTransitionTime": "2026-11-24T00:00:00Z"},
                ],
                "components": {
                    "predictor": {
                        "latestCreatedRevision": revision,
                        "traffic": [{"latestRevision": True, "percent": 100, "revisionName": revision}],
                    }
                },
            }
            return store.update_status("inferenceservices", namespace, name, status)

        return self.in_store(act)

    def await_watch(self) -> None:
        """Wait until a client is watching; kubectl drops a change between its first answer and its watch."""
        wait_until(lambda: self.in_store(lambda store: bool(store._waiting)), what="a watch to begin", deadline_s=60)

    def clear(self) -> None:
        """Delete every InferenceService, pod and event."""

        def act(store: Store) -> None:
            for resource in ("inferenceservices", "pods", "events"):
                for item in store.list(resource)[0]:
                    store.delete(resource, item["metadata"]["namespace"], item["metadata"]["name"])

        self.in_store(act)


@pytest.fixture(scope="module")
def live_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveApi]:
    """An API on a free port of this machine, with its own store."""
    folder = tmp_path_factory.mktemp("kubernetes api")
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1", "localhost")
    leaf.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"https://127.0.0.1:{listener.getsockname()[1]}"
    kubeconfig = write_kubeconfig(folder / "kubeconfig", address, authority.cert_pem.bytes())
    store = Store(folder / "objects.db")
    config = uvicorn.Config(
        create_app(store, token=TOKEN, logs=folder / "logs", gpus=1),
        ssl_certfile=folder / "server.pem",
        log_level="warning",
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=1,
    )
    server, loop = uvicorn.Server(config), asyncio.new_event_loop()
    server_thread = threading.Thread(target=loop.run_until_complete, args=(server.serve([listener]),))
    server_thread.start()
    wait_until(lambda: server.started, what="the API to answer", deadline_s=60)
    yield LiveApi(address, kubeconfig, folder, loop, store)
    server.should_exit = True
    loop.call_soon_threadsafe(store.close)
    server_thread.join(10)
    loop.close()


@pytest.fixture
def api(live_api: LiveApi) -> LiveApi:
    """The live API without any InferenceService."""
    live_api.clear()
    return live_api


def write_kubeconfig(path: Path, address: str, authority: bytes) -> Path:
    """A kubeconfig with one context."""
    cluster = {"server": address, "certificate-authority-data": base64.b64encode(authority).decode()}
    context = {"cluster": "yard", "user": "yard", "namespace": "default"}
    held = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "yard", "cluster": cluster}],
        "users": [{"name": "yard", "user": {"token": TOKEN}}],
        "contexts": [{"name": "yard", "context": context}],
        "current-context": "yard",
    }
    path.write_text(yaml.safe_dump(held), "utf-8")
    return path


def find_kubectls() -> list[str]:
    """kubectl of the environment and that of the machine, where they are two."""
    ours = shutil.which("kubectl", path=str(Path(sys.executable).parent))
    theirs = shutil.which("kubectl", path="/usr/local/bin:/usr/bin:/opt/homebrew/bin")
    return [found for found in (ours, theirs) if found]


@dataclass
class Kubectl:
    """Runs a kubectl against the live API, with a home folder (and so a discovery cache) of its own."""

    program: str
    environment: dict[str, str]

    def __call__(self, *arguments: str, given: str = "", fails: bool = False, **variables: str) -> str:
        """Output and errors of one command; asserts how it ends."""
        done = subprocess.run(
            [self.program, *arguments],
            input=given,
            env=self.environment | variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        told = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, f"kubectl {' '.join(arguments)} -> {done.returncode}\n{told}"
        return told

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A command that goes on; killed at the end if it still does."""
        command = [self.program, *arguments]
        with subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, text=True) as running:
            try:
                yield running
            finally:
                running.kill()


@pytest.fixture(scope="module", params=find_kubectls())
def kubectl(request: pytest.FixtureRequest, live_api: LiveApi, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """Each kubectl of this machine."""
    home = tmp_path_factory.mktemp("home")
    environment = {"HOME": str(home), "KUBECONFIG": str(live_api.kubeconfig), "PATH": os.environ["PATH"]}
    return Kubectl(request.param, environment)
