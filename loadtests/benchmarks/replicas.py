"""First answer of a replica that is forked from the warm parent against that of a fresh model server."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from loadtests.benchmarks import iris
from loadtests.benchmarks.figures import Figure, ratio_of_medians
from loadtests.benchmarks.yards import some_services
from modelyard.connections import Connections
from modelyard.serving.replicas.records import ReplicaSpec
from modelyard.waiting import wait_until

ROUNDS = 5
AIM = 10.0
DEADLINE_S = 120.0
LOOK_EVERY_S = 0.002


def measure() -> Figure:
    """Both fetch the same model from the same store and run the same code; a yard without control plane holds them."""
    forked, fresh = [], []
    with some_services({"objectstore", "replicas"}) as (conn, _):
        uri = iris.upload(conn)
        first_forked_s(conn, uri, "warm-up")
        for number in range(ROUNDS):
            forked.append(first_forked_s(conn, uri, f"forked-{number}"))
            fresh.append(first_fresh_s(conn, uri, f"fresh-{number}"))
    return Figure(
        name="replicas",
        about="first answer of a fresh model server / of a forked replica",
        value=ratio_of_medians(fresh, forked),
        unit="x",
        aim=AIM,
        at_most=False,
        rounds={"fresh, s": fresh, "forked, s": forked},
        notes="from the order to start until the first prediction came back",
    )


def _spec(uri: str, name: str) -> ReplicaSpec:
    return ReplicaSpec(
        name=name,
        namespace="default",
        inferenceservice=iris.NAME,
        revision=f"{iris.NAME}-predictor-00001",
        model_format="sklearn",
        storage_uri=uri,
    )


def first_forked_s(conn: Connections, uri: str, name: str) -> float:
    """Ask the warm parent for a replica over its socket, as the control plane does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as held:
        held.settimeout(DEADLINE_S)
        held.connect(str(conn.layout.socket("replicas")))
        began = time.perf_counter()
        started = _ask(held, {"id": 1, "do": "start", "spec": asdict(_spec(uri, name))})
        _first_answer(started["replica"]["port"])
        took_s = time.perf_counter() - began
        _ask(held, {"id": 2, "do": "stop", "name": name})
    return took_s


def _ask(held: socket.socket, message: dict[str, object]) -> dict[str, dict[str, int]]:
    held.sendall(json.dumps(message).encode() + b"\n")
    with held.makefile("rb") as lines:
        return next(told for line in lines if (told := json.loads(line)).get("id") == message["id"])


def first_fresh_s(conn: Connections, uri: str, name: str) -> float:
    """Start a new interpreter with the same server."""
    with tempfile.TemporaryDirectory(prefix="modelyard-benchmark-") as folder:
        argv = [sys.executable, str(Path(__file__).with_name("fresh_server.py"))]
        environment = {**os.environ, **conn.environment(), "OMP_NUM_THREADS": "1"}
        began = time.perf_counter()
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(
                [*argv, json.dumps(asdict(_spec(uri, name))), folder],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        try:
            assert process.stdout is not None
            _first_answer(int(process.stdout.readline()))
            return time.perf_counter() - began
        finally:
            process.kill()
            process.communicate()


def _first_answer(port: int) -> None:
    """Ask until the model answers."""

    def asked() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
        try:
            connection.request("POST", iris.PATH, iris.BODY, {"Content-Type": "application/json"})
            return connection.getresponse().status == 200
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()

    wait_until(asked, what=f"a prediction from port {port}", deadline_s=DEADLINE_S, interval_s=LOOK_EVERY_S)
