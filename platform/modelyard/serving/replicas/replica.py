"""One replica: a KServe model server in a process of its own, on a socket that was bound for it on 127.0.0.1."""

from __future__ import annotations

import os
import signal
import socket
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from modelyard.serving.models.cache import ModelUnusable, fetch_model
from modelyard.serving.replicas.records import (
    ReplicaRecord,
    ReplicaSpec,
    start_time_of,
    write_replica_record,
)
from modelyard.serving.spec.arguments import parse_arguments

if TYPE_CHECKING:
    from kserve import Model

DEFAULT_TIMEOUT_S = 300
"""Knative's `timeoutSeconds` where nobody sets one."""


def request_timeout_s(spec: ReplicaSpec) -> int:
    """Seconds that a request may take, and those under way have when the replica is asked to end, as in Knative."""
    return spec.timeout_s or DEFAULT_TIMEOUT_S


@dataclass(frozen=True)
class Folders:
    """Where records, the model cache and the logs of replicas are, and below which folders `file://` may read."""

    records: Path
    cache: Path
    logs: Path
    models: tuple[Path, ...] = ()

    def log(self, name: str) -> Path:
        """The log of a replica."""
        return self.logs / f"{name}.log"

    def to_json(self) -> dict[str, str | list[str]]:
        """As text; `from_json` undoes it."""
        held = {"records": str(self.records), "cache": str(self.cache), "logs": str(self.logs)}
        return {**held, "models": [str(path) for path in self.models]}

    @classmethod
    def from_json(cls, held: Mapping[str, Any]) -> Folders:
        """From what `to_json` gave."""
        models = tuple(Path(path) for path in held["models"])
        return cls(Path(held["records"]), Path(held["cache"]), Path(held["logs"]), models)


def serve_replica(spec: ReplicaSpec, listening: socket.socket, folders: Folders, storage: Mapping[str, str]) -> int:
    """Fetch, check, load and serve a model until SIGTERM; the exit code.

    Args:
        spec: what to serve.
        listening: bound to a port of 127.0.0.1, not yet listening, so that nobody connects before the model is there.
        folders: the replica's record lies in one of them and is kept up to date from here.
        storage: variables with credentials for the download; the model does not see them.
    """
    record = ReplicaRecord(spec, os.getpid(), start_time_of(os.getpid()) or "", listening.getsockname()[1])
    write_replica_record(folders.records, record)
    try:
        folder = fetch_model(spec.storage_uri, spec.digest, folders.cache, storage=storage, folders=folders.models)
        model = _load(spec, folder)
    except ModelUnusable as error:
        print(f"{error.reason}: {error.message}", file=sys.stderr, flush=True)
        write_replica_record(
            folders.records, replace(record, state="failed", reason=error.reason, message=error.message)
        )
        return 1
    from modelyard.serving.replicas.model_server import run_model_server

    serving = replace(record, state="serving")
    run_model_server(
        model,
        spec,
        listening,
        timeout_s=request_timeout_s(spec),
        serving=lambda: write_replica_record(folders.records, serving),
    )
    return 0


def _load(spec: ReplicaSpec, folder: Path) -> Model:
    from modelyard.serving.predictors import load_predictor

    try:
        threads = parse_arguments(spec.args, model_name=spec.inferenceservice).nthread
        return load_predictor(spec.model_format, spec.inferenceservice, folder, threads=threads)
    except Exception as error:
        traceback.print_exc()
        last_line = traceback.format_exception_only(error)[-1].strip().partition("\n")[0]
        raise ModelUnusable("ModelLoadFailed", last_line[:1000]) from error


def become_replica(
    spec: ReplicaSpec, listening: socket.socket, folders: Folders, storage: Mapping[str, str]
) -> NoReturn:
    """Turn a process that was made for it into the replica."""
    code = 1
    try:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        out = os.open(folders.log(spec.name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.close(out)
        os.environ.update(spec.env)
        if spec.gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(spec.gpus)
        code = serve_replica(spec, listening, folders, storage)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        sys.stdout.flush()
        os._exit(code)
