"""One replica: a KServe model server in a process of its own, on a socket that was bound for it on 127.0.0.1."""

from __future__ import annotations

import os
import signal
import socket
import sys
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from modelyard.serving.models import ModelUnusable, fetch_model
from modelyard.serving.replica_records import (
    ReplicaRecord,
    ReplicaSpec,
    start_time_of,
    write_replica_record,
)

if TYPE_CHECKING:
    from kserve import Model

DEFAULT_TIMEOUT_S = 300
"""Knative's `timeoutSeconds` where nobody sets one."""


def request_timeout_s(spec: ReplicaSpec) -> int:
    """Seconds that a request may take, and those under way have when the replica is asked to end, as in Knative."""
    return spec.timeout_s or DEFAULT_TIMEOUT_S


def serve_replica(spec: ReplicaSpec, listening: socket.socket, *, records: Path, cache: Path) -> int:
    """Fetch, check, load and serve a model until SIGTERM; the exit code.

    Args:
        spec: what to serve.
        listening: bound to a port of 127.0.0.1, not yet listening, so that nobody connects before the model is there.
        records: folder of the replica's record, kept up to date from here.
        cache: folder of the model cache.
    """
    record = ReplicaRecord(spec, os.getpid(), start_time_of(os.getpid()) or "", listening.getsockname()[1])
    write_replica_record(records, record)
    try:
        folder = fetch_model(spec.storage_uri, spec.digest, cache)
        model = _load(spec, folder)
    except ModelUnusable as error:
        print(f"{error.reason}: {error.message}", file=sys.stderr, flush=True)
        write_replica_record(records, replace(record, state="failed", reason=error.reason, message=error.message))
        return 1
    from modelyard.serving.model_server import run_model_server

    serving = replace(record, state="serving")
    run_model_server(
        model,
        spec,
        listening,
        timeout_s=request_timeout_s(spec),
        serving=lambda: write_replica_record(records, serving),
    )
    return 0


def _load(spec: ReplicaSpec, folder: Path) -> Model:
    from modelyard.serving.predictors import load_predictor

    try:
        return load_predictor(spec.model_format, spec.inferenceservice, folder)
    except Exception as error:
        traceback.print_exc()
        last_line = traceback.format_exception_only(error)[-1].strip().partition("\n")[0]
        raise ModelUnusable("ModelLoadFailed", last_line[:1000]) from error


def become_replica(
    spec: ReplicaSpec, listening: socket.socket, *, records: Path, cache: Path, log: Path, storage: Mapping[str, str]
) -> None:
    """Turn a freshly forked child into the replica; does not return."""
    code = 1
    try:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.close(out)
        os.environ.update(spec.env)
        os.environ.update(storage)
        if spec.gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(spec.gpus)
        code = serve_replica(spec, listening, records=records, cache=cache)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        sys.stdout.flush()
        os._exit(code)
