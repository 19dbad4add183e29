"""The serving control plane: Kubernetes API and controller in one light process (`python -m modelyard.serving`)."""

from __future__ import annotations

import asyncio
from types import FrameType

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from modelyard.connections import Connections, connect
from modelyard.serving.api import create_app
from modelyard.serving.controller import metrics
from modelyard.serving.controller.controller import Controller, ControllerConfig
from modelyard.serving.gateway.bootstrap import write_bootstrap
from modelyard.serving.gateway.files import Gateway
from modelyard.serving.gateway.tables import watched_folder
from modelyard.serving.gpus import gpu_inventory
from modelyard.serving.replicas.parent import only_one
from modelyard.serving.seeds import seed
from modelyard.serving.store import Store
from modelyard.settings import Settings, load_settings


async def metrics_endpoint(_request: Request) -> Response:
    """The control plane's own series."""
    return Response(metrics.exposition(), media_type="text/plain; version=0.0.4")


def controller_of(conn: Connections, settings: Settings, store: Store) -> Controller:
    """The controller of a yard."""
    layout = conn.layout
    records = layout.data("serving") / "replicas"
    records.mkdir(parents=True, exist_ok=True)
    config = ControllerConfig(
        domain=conn.domain,
        gateway_port=conn.port("gateway"),
        records=records,
        logs=layout.logs,
        targets=layout.config / "targets" / "replicas.json",
        replicas_socket=layout.socket("replicas"),
        activator_socket=layout.socket("activator-control"),
        require_registered=settings.require_registered_models,
    )
    gateway = Gateway(watched_folder(conn), layout.socket("envoy-admin"), layout.socket("activator"))
    return Controller(store, config, gateway)


class Server(uvicorn.Server):
    """Ends the watches when it is told to stop, because it waits for open answers, and a watch is one."""

    def __init__(self, config: uvicorn.Config, store: Store) -> None:
        super().__init__(config)
        self._store = store
        self._loop = asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called as a signal handler; uvicorn's own raises the signal again, so that nothing after it is closed."""
        self._loop.call_soon_threadsafe(self._store.end_watches)
        self.should_exit = True


async def serve(conn: Connections, settings: Settings) -> None:
    """Answer the API and reconcile until SIGTERM."""
    store = Store(conn.layout.data("serving") / "store.sqlite")
    seed(store, conn, [settings.namespace])
    token = conn.credentials.kubernetes_token
    app = create_app(
        store,
        token=token,
        extra_routes=[Route("/metrics", metrics_endpoint)],
        namespaces=("default", "kube-system", settings.namespace),
        logs=conn.layout.logs,
        gpus=len(gpu_inventory()),
    )
    tls = conn.layout.tls
    server = Server(
        uvicorn.Config(
            app,
            host="127.0.0.1",
            port=conn.port("kubernetes"),
            ssl_certfile=tls / "server.pem",
            ssl_keyfile=tls / "server.key",
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=3,
            lifespan="off",
        ),
        store,
    )
    controller = controller_of(conn, settings, store)
    reconciling = asyncio.create_task(controller.run())
    try:
        await server.serve()
    finally:
        reconciling.cancel()
        await controller.close()
        store.close()


def main() -> None:
    """Run the control plane of the yard in MODELYARD_FOLDER."""
    conn = connect()
    data = conn.layout.data("serving")
    with only_one(data / "control-plane.lock"):
        write_bootstrap(conn)
        asyncio.run(serve(conn, load_settings()))


if __name__ == "__main__":
    main()
