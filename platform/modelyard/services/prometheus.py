"""Prometheus: scrapes the yard, and evaluates the recording and alert rules of dashboards/."""

from __future__ import annotations

import hashlib

from modelyard.connections import REPOSITORY, Connections
from modelyard.services.probes import get_json, request
from modelyard.services.service import Context, Process, Service
from modelyard.services.templates import render

RULES = REPOSITORY / "dashboards" / "rules"


def process(context: Context) -> Process:
    """The token of the Kubernetes API's metrics is handed over in a file of mode 0600."""
    conn = context.conn
    config = conn.layout.config / "prometheus"
    token_file = config / "kubernetes.token"
    targets = conn.layout.config / "targets"
    rendered = render(
        "prometheus/prometheus.yml.j2",
        conn=conn,
        scrape_interval_s=context.settings.scrape_interval_s,
        rules_dir=RULES,
        targets_dir=targets,
        token_file=token_file,
        ca_file=conn.layout.tls / "ca.pem",
    )
    data = conn.layout.data("prometheus")
    return Process(
        argv=(
            str(context.toolbox.find("prometheus")),
            f"--config.file={config / 'prometheus.yml'}",
            f"--storage.tsdb.path={data}",
            "--storage.tsdb.retention.time=15d",
            # a laptop's disk: the oldest goes first, whichever bound is met first
            "--storage.tsdb.retention.size=2GB",
            f"--web.listen-address=127.0.0.1:{conn.port('prometheus')}",
            *context.toolbox.arguments("prometheus"),
        ),
        env={"GOMAXPROCS": "2", "MODELYARD_RULES": _rules_digest()},
        files={config / "prometheus.yml": rendered, token_file: conn.credentials.kubernetes_token},
        folders=(data, targets),
    )


def _rules_digest() -> str:
    """Prometheus reads its rules when it starts: rules that changed start it anew."""
    whole = hashlib.sha256()
    for path in sorted(RULES.glob("*.yml")):
        whole.update(path.read_bytes())
    return whole.hexdigest()[:16]


def probe(conn: Connections) -> None:
    """Ready, and answers a query."""
    request("GET", f"{conn.address('prometheus')}/-/ready")
    answer = get_json(f"{conn.address('prometheus')}/api/v1/query", params={"query": "vector(1)"})
    if answer["status"] != "success":
        raise LookupError(f"Prometheus answers a query with {answer['status']}")


SERVICE = Service(
    name="prometheus",
    summary="metrics and rules (Prometheus)",
    ports=("prometheus",),
    process=process,
    programs=("prometheus",),
    probe=probe,
)
