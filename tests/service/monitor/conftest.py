"""A monitor process over a yard folder of its own, a real MLflow server, and events as KServe's logger sends them."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import psutil
import pytest
from claimed_ports import claim_block

from modelyard.connections import Connections, connect
from modelyard.settings import Settings
from modelyard.waiting import wait_until
from modelyard.yard.record import new_record, write_record

CLASSES = ["early", "on_time", "late", "very_late"]
NUMERICAL, CATEGORICAL = ["dewp", "wind", "humid"], ["carrier"]
CARRIERS = ["AA", "B6", "UA", "EV"]


def make_rows(rows: int, *, seed: int, shift: float = 0.0) -> list[dict]:
    """Rows whose dewp is N(30 + shift, 10); one pressure-like column holds missing values."""
    rng = np.random.default_rng(seed)
    wind = rng.gamma(2.0, 4.0, rows)
    missing = rng.random(rows) < 0.1
    return [
        {
            "dewp": float(rng.normal(30 + shift, 10)),
            "wind": None if missing[at] else float(wind[at]),
            "humid": float(rng.uniform(20, 90)),
            "carrier": str(rng.choice(CARRIERS)),
        }
        for at in range(rows)
    ]


def make_config(*, window_rows: int = 200, quality_rows: int = 100, recall_below: float = 0.42) -> dict:
    return {
        "columns": {"numerical": NUMERICAL, "categorical": CATEGORICAL},
        "classes": CLASSES,
        "drift": {
            "window_rows": window_rows,
            "num_method": "wasserstein",
            "num_threshold": 1.5,
            "cat_method": "jensenshannon",
            "cat_threshold": 0.4,
            "min_columns": 1,
        },
        "quality": {"window_rows": quality_rows, "recall_below": {"early": recall_below}, "in_a_row": 2},
    }


def make_predictions(classes: list[str]) -> list[dict]:
    return [{"class": c, "probabilities": {k: 0.7 if k == c else 0.1 for k in CLASSES}} for c in classes]


class MonitorProcess:
    """`python -m modelyard.monitor` over a folder; started, killed and asked like the real one."""

    def __init__(self, folder: Path, first_port: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_record(folder / "yard.json", new_record(substrate="local", ports=first_port, python="", lock=""))
        self.conn: Connections = connect(folder, Settings())
        self.address = self.conn.address("monitor")
        self.http = httpx.Client(base_url=self.address, timeout=30, trust_env=False)
        self.process: subprocess.Popen[bytes] | None = None
        self.log = folder / "monitor.log"

    def spawn(self, prefix: tuple[str, ...] = (), **environment: str) -> subprocess.Popen[bytes]:
        held = {**os.environ, "MODELYARD_FOLDER": str(self.conn.layout.folder), "MODELYARD_YARD": "test", **environment}
        with self.log.open("ab") as log:
            command = [*prefix, sys.executable, "-m", "modelyard.monitor"]
            return subprocess.Popen(command, env=held, stdout=log, stderr=log)

    def start(self, prefix: tuple[str, ...] = (), **environment: str) -> None:
        self.process = self.spawn(prefix, **environment)
        wait_until(self.is_healthy, what="the monitor", deadline_s=30, last_answer=self.log.read_text)

    def worker(self) -> psutil.Process | None:
        """The Evidently process, while there is one."""
        children = psutil.Process(self.process.pid).children() if self.process else []
        return next((child for child in children if "modelyard.monitor.worker" in child.cmdline()), None)

    def wait_worker(self) -> psutil.Process:
        return wait_until(self.worker, what="the Evidently process", deadline_s=60)

    def is_healthy(self) -> bool:
        try:
            return self.http.get("/healthz").status_code == 200
        except httpx.HTTPError:
            return False

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> int | None:
        held, self.process = self.process, None
        if held is None:
            return None
        held.send_signal(sign)
        return held.wait(20)

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def headers(self, identity: str, kind: str, *, version: str, run_id: str, service: str = "flights") -> dict:
        annotations = {"modelyard.dev/model-version": version, "modelyard.dev/run-id": run_id}
        return {
            "ce-specversion": "1.0",
            "ce-id": identity,
            "ce-type": f"org.kubeflow.serving.inference.{kind}",
            "ce-source": "http://localhost:9081/",
            "ce-namespace": "default",
            "ce-inferenceservicename": service,
            "ce-component": "predictor",
            "ce-annotations": json.dumps(annotations),
            "content-type": "application/json",
        }

    @property
    def events_path(self) -> str:
        return f"/events/{self.conn.credentials.monitor_path}"

    def send(self, identity: str, kind: str, body: object, *, version: str = "1", run_id: str = "", **more) -> int:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = self.headers(identity, kind, version=version, run_id=run_id, **more)
        return self.http.post(self.events_path, content=content, headers=headers).status_code

    def send_pairs(
        self,
        rows: list[dict],
        classes: list[str],
        *,
        prefix: str,
        batch: int = 10,
        version: str = "1",
        run_id: str = "",
    ) -> None:
        for at in range(0, len(rows), batch):
            identity = f"{prefix}-{at // batch}"
            request = {"instances": rows[at : at + batch]}
            response = {"predictions": make_predictions(classes[at : at + batch])}
            assert self.send(identity, "request", request, version=version, run_id=run_id) == 202
            assert self.send(identity, "response", response, version=version, run_id=run_id) == 202

    def post(self, path: str, body: object, token: str | None = None) -> httpx.Response:
        held = self.conn.credentials.monitor_token if token is None else token
        return self.http.post(path, json=body, headers={"authorization": f"Bearer {held}"})

    def tell_truths(self, classes: list[str], *, prefix: str, batch: int = 10) -> dict:
        truths = [{"id": f"{prefix}-{at // batch}", "row": at % batch, "class": c} for at, c in enumerate(classes)]
        answer = self.post("/truth", {"truths": truths})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def status(self) -> dict:
        return self.http.get("/status").raise_for_status().json()

    def version(self, model_version: str = "1") -> dict | None:
        return next((v for v in self.status()["versions"] if v["model_version"] == model_version), None)

    def windows(self, **asked: str) -> list[dict]:
        return self.http.get("/windows", params=asked).raise_for_status().json()["windows"]

    def rows(self, **asked: object) -> list[dict]:
        text = self.http.get("/rows", params=asked).raise_for_status().text
        return [json.loads(line) for line in text.splitlines()]

    def metrics(self) -> dict[str, float]:
        lines = self.http.get("/metrics").raise_for_status().text.splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}

    def wait_drained(self, deadline_s: float = 150) -> None:
        wait_until(
            lambda: not any(self.status()["backlog"].values()),
            what="the backlog to be empty",
            deadline_s=deadline_s,
            last_answer=self.log.read_text,
        )

    def wait_windows(self, n: int, *, kind: str = "drift", deadline_s: float = 150) -> list[dict]:
        wait_until(
            lambda: len(self.windows(kind=kind)) >= n,
            what=f"{n} {kind} windows",
            deadline_s=deadline_s,
            last_answer=self.log.read_text,
        )
        return self.windows(kind=kind)


class MlflowServer:
    """A real MLflow server; runs and artifacts are made by plain HTTP."""

    def __init__(self, folder: Path, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self._folder, self._port = folder, port
        self._process: subprocess.Popen[bytes] | None = None
        self.http = httpx.Client(base_url=self.address, timeout=30, trust_env=False)

    def start(self) -> None:
        database, artifacts = f"sqlite:///{self._folder}/mlflow.db", str(self._folder / "artifacts")
        where = ["--host", "127.0.0.1", "--port", str(self._port), "--workers", "1"]
        store = ["--backend-store-uri", database, "--serve-artifacts", "--artifacts-destination", artifacts]
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self._folder / "mlflow.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", *where, *store],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._answers, what="MLflow", deadline_s=150)

    def _answers(self) -> bool:
        try:
            return self.http.post("/api/2.0/mlflow/experiments/search", json={"max_results": 1}).status_code == 200
        except httpx.HTTPError:
            return False

    def stop(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)

    def log_run(self, reference: list[dict] | None, config: dict | None) -> str:
        made = self.http.post(
            "/api/2.0/mlflow/runs/create", json={"experiment_id": "0", "start_time": int(time.time() * 1000)}
        )
        info = made.raise_for_status().json()["run"]["info"]
        root = info["artifact_uri"].removeprefix("mlflow-artifacts:/")
        if reference is not None:
            held = io.BytesIO()
            pd.DataFrame(reference).to_parquet(held)
            self._put(f"{root}/monitoring/reference.parquet", held.getvalue())
        if config is not None:
            self._put(f"{root}/monitoring/monitoring.json", json.dumps(config).encode())
        return info["run_id"]

    def _put(self, path: str, content: bytes) -> None:
        self.http.put(f"/api/2.0/mlflow-artifacts/artifacts/{path}", content=content).raise_for_status()


@pytest.fixture(scope="session")
def block() -> int:
    return claim_block()


@pytest.fixture(scope="session")
def mlflow(block: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    server = MlflowServer(tmp_path_factory.mktemp("mlflow"), block + 2)
    server.start()
    yield server
    server.http.close()
    server.stop()


@pytest.fixture
def monitor(block: int, tmp_path: Path) -> Iterator[MonitorProcess]:
    held = MonitorProcess(tmp_path / "a yard", block)
    held.start()
    yield held
    held.http.close()
    held.stop(signal.SIGKILL)


@pytest.fixture
def reference() -> list[dict]:
    return make_rows(2000, seed=1)


@pytest.fixture
def run_id(mlflow: MlflowServer, reference: list[dict]) -> str:
    return mlflow.log_run(reference, make_config())


@pytest.fixture
def kit() -> dict[str, Callable]:
    return {
        "rows": make_rows,
        "config": make_config,
        "predictions": make_predictions,
        "process": MonitorProcess,
        "block": claim_block,
    }
