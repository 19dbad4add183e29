"""Envoy: the gateway in front of the model servers."""

from __future__ import annotations

from modelyard.connections import Connections
from modelyard.services.probes import request
from modelyard.services.service import Context, Process, Service


def process(context: Context) -> Process:
    """Bootstrap by the serving package, which also writes the routes that Envoy follows while it runs."""
    from modelyard.serving.gateway.bootstrap import write_bootstrap

    bootstrap = write_bootstrap(context.conn)
    return Process(
        argv=(
            str(context.toolbox.find("envoy")),
            *("--config-path", str(bootstrap), "--concurrency", "1", "--disable-hot-restart"),
            *("--log-level", "warning"),
        ),
        files={bootstrap: bootstrap.read_text("utf-8")},
    )


def probe(conn: Connections) -> None:
    """Tells its metrics, which it does once its listeners are up."""
    request("GET", f"{conn.address('envoy_stats')}/stats/prometheus", params={"filter": "server.state"})


SERVICE = Service(
    name="envoy",
    summary="gateway (Envoy)",
    ports=("gateway", "envoy_stats"),
    process=process,
    programs=("envoy",),
    probe=probe,
    needs=("serving",),
    page="",
)
