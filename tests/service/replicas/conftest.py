"""A warm parent by itself, with models that people would bring; no control plane, no gateway."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cloudpickle
import httpx
import psutil
import pytest
from claimed_ports import claim_block

from modelyard.connections import Connections, connect
from modelyard.serving.replicas.client import ReplicasClient, ask_replicas
from modelyard.serving.replicas.records import ReplicaRecord, ReplicaSpec, read_replica_records
from modelyard.waiting import wait_until
from modelyard.yard.record import new_record, write_record

HELD_UNTIL = "the file that lets a holder go on"
PARENT = "from modelyard.serving.replicas.parent import main; main({platform!r}, spares=1)"


@dataclass
class Fleet:
    """A warm parent and what a test asks of it."""

    conn: Connections
    program: subprocess.Popen[bytes]
    started: int = 0
    made: list[str] = field(default_factory=list)

    @property
    def models(self) -> Path:
        """Folder from which `file://` models may come."""
        return self.conn.layout.workspace

    @property
    def records(self) -> Path:
        return self.conn.layout.data("serving") / "replicas"

    def log(self, name: str) -> str:
        return (self.conn.layout.logs / f"{name}.log").read_text()

    def start(self, model: str, *, storage: dict[str, str] | None = None, **spec: Any) -> ReplicaRecord:
        """Start a replica of a model in `models` and wait until it serves or has ended."""
        self.started += 1
        name = f"{model}-predictor-00001-{self.started}"
        held = {"model_format": "sklearn", "storage_uri": f"file://{self.models}/{model}", **spec}
        self.ask(
            lambda client: client.start(
                ReplicaSpec(name, "default", model, f"{model}-predictor-00001", **held), storage
            )
        )
        self.made.append(name)
        return wait_until(
            lambda: next((r for r in self.known(name) if r.state != "starting"), None),
            what=f"replica {name} to serve or to end",
            deadline_s=120,
        )

    def known(self, name: str) -> list[ReplicaRecord]:
        return [record for record in read_replica_records(self.records, now=0) if record.name == name]

    def hold(self) -> None:
        """From now on a holder's predictions do not end."""
        (self.models / HELD_UNTIL).unlink(missing_ok=True)

    def let_go(self) -> None:
        """What a holder predicts comes to its end."""
        (self.models / HELD_UNTIL).touch()

    def stop(self, name: str) -> None:
        self.ask(lambda client: client.stop(name))

    def ended(self, name: str) -> ReplicaRecord:
        """The record of a replica whose end the warm parent has seen."""
        return wait_until(
            lambda: next((r for r in self.known(name) if r.state == "exited" and r.noted), None),
            what=f"replica {name} to end",
            deadline_s=40,
        )

    def ask(self, question: Callable[[ReplicasClient], Any]) -> None:
        async def run() -> None:
            client = ReplicasClient(self.conn.layout.socket("replicas"), lambda: None)
            try:
                await question(client)
            finally:
                await client.close()

        asyncio.run(run())


@contextmanager
def fleet_on(platform: str) -> Iterator[Fleet]:
    folder = Path(tempfile.mkdtemp(prefix="replicas "))
    write_record(folder / "yard.json", new_record(substrate="local", ports=claim_block(), python="3", lock=""))
    conn = connect(folder)
    conn.layout.logs.mkdir()
    conn.layout.workspace.mkdir()
    environment = {**os.environ, **conn.environment(), "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    with conn.layout.log("replicas").open("ab") as log:
        argv = [sys.executable, "-c", PARENT.format(platform=platform)]
        program = subprocess.Popen(argv, env=environment, stdout=log, stderr=log, start_new_session=True)
    held = Fleet(conn, program)
    try:
        wait_until(lambda: answers(held), what="the warm parent to answer", deadline_s=120, interval_s=0.05)
        put_models(held.models)
        yield held
    finally:
        program.send_signal(signal.SIGTERM)
        program.wait(20)
        for record in read_replica_records(held.records, now=0):
            if record.state != "exited":
                psutil.Process(record.pid).kill()
        shutil.rmtree(conn.layout.runtime, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def answers(fleet: Fleet) -> bool:
    if fleet.program.poll() is not None:
        raise AssertionError(fleet.conn.layout.log("replicas").read_text()[-2000:])
    try:
        ask_replicas(fleet.conn.layout.socket("replicas"))
    except OSError:
        return False
    return True


class Spinner:
    """Predicts in pure Python for as many milliseconds as the first row says, and answers which process it was."""

    def predict(self, rows: Any) -> Any:
        import os
        import time

        import numpy

        until = time.perf_counter() + float(rows[0][0]) / 1000
        while time.perf_counter() < until:
            pass
        return numpy.array([os.getpid()] * len(rows))


class Holder:
    """Predicts in pure Python, as busy as a Spinner, until there is a file."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def predict(self, rows: Any) -> Any:
        from pathlib import Path

        held_until = Path(self.path)
        while not held_until.exists():
            pass
        return rows


class Unloadable:
    """Cannot be unpickled: its class is not there, as with a model of another version of its library."""

    def __reduce__(self) -> Any:
        return (eval, ("__import__('library_that_is_not_there')",))


class Greeter:
    """Answers what it found in its environment when it was loaded."""

    def __setstate__(self, _: Any) -> None:
        import os

        self.found = [os.environ["GREETING"], os.environ["CUDA_VISIBLE_DEVICES"]]

    def __getstate__(self) -> Any:
        return {"found": []}

    def predict(self, rows: Any) -> Any:
        return self.found


class Exiting:
    """Ends the process with an exception outside of a request."""

    def predict(self, rows: Any) -> Any:
        import os
        import sys
        import traceback

        try:
            raise MemoryError("no room for the third layer")
        except MemoryError:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(3)


def put_models(folder: Path) -> None:
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    holder = Holder(folder / HELD_UNTIL)
    models = {"spinner": Spinner(), "holder": holder, "unloadable": Unloadable(), "exiting": Exiting()}
    models["greeter"] = Greeter()
    for name, model in models.items():
        (folder / name).mkdir()
        (folder / name / "model.pkl").write_bytes(cloudpickle.dumps(model))


@pytest.fixture(scope="session")
def forking() -> Iterator[Fleet]:
    with fleet_on("linux") as held:
        yield held


@pytest.fixture(scope="session")
def spawning() -> Iterator[Fleet]:
    with fleet_on("darwin") as held:
        yield held


@pytest.fixture
def fleet(forking: Fleet) -> Iterator[Fleet]:
    """The forking warm parent; replicas that a test leaves end with it."""
    forking.made.clear()
    yield forking
    for name in forking.made:
        if any(record.state != "exited" for record in forking.known(name)):
            forking.stop(name)
            forking.ended(name)


@pytest.fixture
def predict() -> Callable[..., httpx.Response]:
    """`predict(record, [[5]])` asks a replica by V1."""

    def ask(record: ReplicaRecord, rows: Any, **options: Any) -> httpx.Response:
        url = f"{record.address}/v1/models/{record.spec.inferenceservice}:predict"
        return httpx.post(url, json={"instances": rows}, timeout=30, **options)

    return ask
