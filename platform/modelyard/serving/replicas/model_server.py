"""KServe's REST model server as a replica runs it: on a bound socket, behind queue-proxy and payload log.

KServe's own `start` binds 0.0.0.0 and runs on the stock loop; its parts are put together here as it does.
"""

from __future__ import annotations

import logging
import signal
import socket
import time
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any

from kserve import Model, ModelServer
from kserve.constants.constants import V1_ROUTE_PREFIX
from kserve.model_server import app
from kserve.protocol.rest.server import RESTServer, _RefreshingServer
from kserve.protocol.rest.v1_endpoints import V1Endpoints
from starlette.requests import Request
from starlette.routing import Route

from modelyard.serving.queue_proxy.app import QueueProxy, queue_proxy_from
from modelyard.serving.queue_proxy.arrivals import ArrivalProtocol
from modelyard.serving.queue_proxy.counts import Turns
from modelyard.serving.replicas.payload_log import payload_log_from
from modelyard.serving.replicas.predicting import Predicting
from modelyard.serving.replicas.records import ReplicaSpec
from modelyard.serving.spec.arguments import parse_arguments

BACKLOG = 1024
QUIET_S = 0.2
"""Seconds without a request after which a replica that was asked to end takes no more."""
QUIET_WITHIN_S = 10.0
"""Seconds after which it takes no more in any case; what is under way has its own time to end."""


class DrainingServer(_RefreshingServer):
    """uvicorn that goes on answering after SIGTERM until nothing is under way and nothing has come for a while.

    A sender may not have heard yet that this replica ends, and a connection refused is a request lost.
    """

    queue_proxy: QueueProxy
    _asked_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; a second SIGINT ends at once, as uvicorn does."""
        if self._asked_at is None and sig == signal.SIGTERM:
            self._asked_at = time.monotonic()
            self.queue_proxy.draining = True
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Called by uvicorn every 0.1 s: whether to end."""
        if self._asked_at is not None:
            now = time.monotonic()
            asked_s = now - self._asked_at
            quiet = asked_s > QUIET_S and self.queue_proxy.is_quiet(since=now - QUIET_S)
            self.should_exit = quiet or asked_s > QUIET_WITHIN_S
        return await super().on_tick(counter)


class LoopbackServer(RESTServer):
    """KServe's REST server on 127.0.0.1, without timings and access log: together they cost a fifth of the requests."""

    def _add_middlewares(self, app: Any) -> None:
        """None of them."""

    def _register_endpoints(self, app: Any) -> None:
        """KServe's own V1 handler first, and without the dependencies of FastAPI, of which it has none: a sixth."""
        v1 = V1Endpoints(self.dataplane, self.model_repository_extension)

        async def predict(request: Request) -> Any:
            return await v1.predict(request.path_params["model_name"], request)

        path = f"{V1_ROUTE_PREFIX}/models/{{model_name}}:predict"
        app.router.routes.insert(0, Route(path, predict, methods=["POST"]))
        super()._register_endpoints(app)


def run_model_server(
    model: Model, spec: ReplicaSpec, listening: socket.socket, *, timeout_s: int, serving: Callable[[], None]
) -> None:
    """Serve a model until SIGTERM.

    Args:
        model: loaded.
        spec: what the replica is.
        listening: bound to a port of 127.0.0.1.
        timeout_s: seconds that a request may take; those under way at SIGTERM have as many to end.
        serving: called when it listens.
    """
    port = listening.getsockname()[1]
    turns = Turns()
    model.predict = Predicting(model.predict, turns).predict
    rest = rest_server(model, spec, port=port, grace_s=timeout_s)
    behind = payload_log_from(app, spec, port=port, started=serving)
    proxy = queue_proxy_from(behind, spec, port=port, timeout_s=timeout_s, turns=turns)
    rest.config.host = "127.0.0.1"
    rest.config.backlog = BACKLOG
    rest.config.app = proxy
    rest.config.http = ArrivalProtocol
    rest._server = DrainingServer(rest.config)
    rest._server.queue_proxy = proxy
    # uvicorn writes an access line wherever this logger has a handler, and KServe has given it one.
    access = logging.getLogger("uvicorn.access")
    access.handlers, access.propagate = [], False
    rest.run(sockets=[listening])


def rest_server(model: Model, spec: ReplicaSpec, *, port: int, grace_s: int) -> LoopbackServer:
    """KServe's server with the model, as the predictor's arguments ask for it; it does not run yet."""
    # KServe's answers are of a class that FastAPI warns of; written into the log at each request, it costs time.
    warnings.filterwarnings("ignore", message="ORJSONResponse is deprecated")
    arguments = parse_arguments(spec.args, model_name=spec.inferenceservice)
    if arguments.enable_docs_url:
        app.docs_url = "/docs"
        app.setup()
    logged = arguments.enable_latency_logging
    server = ModelServer(http_port=port, enable_grpc=False, enable_latency_logging=logged, event_loop="uvloop")
    server._register_and_check_atleast_one_model_is_ready([model])
    return LoopbackServer(
        "kserve.model_server:app",
        server.dataplane,
        server.model_repository_extension,
        port,
        grace_period=grace_s,
        event_loop="uvloop",
        timeout_keep_alive=arguments.timeout_keep_alive,
    )
