"""MLflow's tracking server, model registry and artifact proxy, over SQLite and the object store."""

from __future__ import annotations

import sys

from modelyard.connections import Connections
from modelyard.services.probes import request
from modelyard.services.service import Context, Process, Service


def process(context: Context) -> Process:
    """It needs the object store at the first artifact only, so it waits for nothing: it is the slowest to start."""
    conn = context.conn
    folder = conn.layout.data("mlflow")
    return Process(
        argv=(
            *(sys.executable, "-m", "modelyard.services.mlflow_server"),
            *("--host", "127.0.0.1", "--port", str(conn.port("mlflow")), "--workers", "1"),
            *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
            *("--serve-artifacts", "--artifacts-destination", "s3://mlflow"),
        ),
        env={
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
        },
        folders=(folder,),
    )


def probe(conn: Connections) -> None:
    """Searches the experiments, which reads the database."""
    url = f"{conn.address('mlflow')}/api/2.0/mlflow/experiments/search"
    if "experiments" not in request("POST", url, json={"max_results": 1}).json():
        raise LookupError("MLflow answers without its default experiment")


SERVICE = Service(
    name="mlflow", summary="runs, models and their versions (MLflow)", ports=("mlflow",), process=process, probe=probe
)
