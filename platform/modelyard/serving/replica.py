"""One replica: a KServe model server in a process of its own, on a socket that was bound for it on 127.0.0.1."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.serving.models import ModelUnusable, fetch_model
from modelyard.serving.replica_records import (
    ReplicaRecord,
    ReplicaSpec,
    start_time_of,
    write_replica_record,
)

if TYPE_CHECKING:
    from kserve import Model

GRACE_S = 20
"""Seconds that a stopped replica gives to requests that it has taken."""
KEEP_ALIVE_S = 65


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
    run_model_server(model, spec, listening, serving=lambda: write_replica_record(records, _serving(record)))
    return 0


def _serving(record: ReplicaRecord) -> ReplicaRecord:
    return replace(record, state="serving")


def _load(spec: ReplicaSpec, folder: Path) -> Model:
    from modelyard.serving.predictors import load_predictor

    try:
        return load_predictor(spec.model_format, spec.inferenceservice, folder)
    except Exception as error:
        traceback.print_exc()
        message = f"{spec.storage_uri} was not loaded as {spec.model_format}: {type(error).__name__}: {error}"
        raise ModelUnusable("ModelLoadFailed", message[:1000]) from error


def run_model_server(model: Model, spec: ReplicaSpec, listening: socket.socket, *, serving: Any) -> None:
    """KServe's REST server on a bound socket, without access and latency logs, behind queue-proxy and payload log.

    KServe's own `start` binds 0.0.0.0 and runs on the stock loop; its parts are put together here as it does.
    """
    from kserve import ModelServer
    from kserve.model_server import app
    from kserve.protocol.rest.server import RESTServer

    from modelyard.serving.payload_log import payload_log_from
    from modelyard.serving.queue_proxy import queue_proxy_from
    from modelyard.serving.queue_proxy_arrivals import ArrivalProtocol

    port = listening.getsockname()[1]
    server = ModelServer(http_port=port, enable_grpc=False, enable_latency_logging=False, event_loop="uvloop")
    server._register_and_check_atleast_one_model_is_ready([model])

    class LoopbackServer(RESTServer):
        def _add_middlewares(self, app: Any) -> None:
            """Neither timings nor an access log: together they cost a fifth of the requests."""

    rest = LoopbackServer(
        "kserve.model_server:app",
        server.dataplane,
        server.model_repository_extension,
        port,
        grace_period=GRACE_S,
        event_loop="uvloop",
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    rest.config.host = "127.0.0.1"
    rest.config.backlog = 1024
    # Outside in, as a pod has them: queue-proxy, agent, model server.
    rest.config.app = queue_proxy_from(payload_log_from(app, spec, port=port, started=serving), spec, port=port)
    rest.config.http = ArrivalProtocol
    # uvicorn writes an access line wherever this logger has a handler, and KServe has given it one.
    access = logging.getLogger("uvicorn.access")
    access.handlers, access.propagate = [], False
    rest.run(sockets=[listening])


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
