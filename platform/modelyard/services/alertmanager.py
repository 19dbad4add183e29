"""Alertmanager: routes alerts to the monitor's webhook, which keeps their history."""

from __future__ import annotations

from modelyard.connections import Connections
from modelyard.services.probes import get_json
from modelyard.services.service import Context, Process, Service
from modelyard.services.templates import render


def process(context: Context) -> Process:
    """Alone: without a cluster port."""
    conn = context.conn
    config = conn.layout.config / "alertmanager"
    token_file = config / "monitor.token"
    data = conn.layout.data("alertmanager")
    return Process(
        argv=(
            str(context.toolbox.find("alertmanager")),
            f"--config.file={config / 'alertmanager.yml'}",
            f"--storage.path={data}",
            "--cluster.listen-address=",
            f"--web.listen-address=127.0.0.1:{conn.port('alertmanager')}",
            *context.toolbox.arguments("alertmanager"),
        ),
        env={"GOMAXPROCS": "2"},
        files={
            config / "alertmanager.yml": render(
                "alertmanager/alertmanager.yml.j2", conn=conn, monitor_token_file=token_file
            ),
            token_file: conn.credentials.monitor_token,
        },
        folders=(data,),
        folder=context.toolbox.root("alertmanager"),
    )


def probe(conn: Connections) -> None:
    """Says its status with the configuration that it runs."""
    if "config" not in get_json(f"{conn.address('alertmanager')}/api/v2/status"):
        raise LookupError("Alertmanager's status has no configuration")


SERVICE = Service(
    name="alertmanager",
    summary="alerts (Alertmanager)",
    ports=("alertmanager",),
    process=process,
    programs=("alertmanager",),
    probe=probe,
)
