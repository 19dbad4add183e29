"""Envoy's bootstrap: its two listeners, its admin interface, and where the watched files are."""

from __future__ import annotations

from pathlib import Path

import orjson

from modelyard.connections import Connections
from modelyard.serving.activator.messages import NAMESPACE_HEADER, REVISION_HEADER
from modelyard.serving.gateway.tables import (
    CONNECT_TIMEOUT,
    ROUTES,
    Json,
    TrafficTable,
    envoy_files,
    loopback,
    pipe,
    replace_file,
    watched,
    watched_folder,
)

LATENCY_BUCKETS_MS = [
    *(1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 65, 80, 100, 130, 160, 200, 250, 300, 400, 500, 650, 800),
    *(1_000, 1_500, 2_000, 3_000, 5_000, 10_000, 30_000, 60_000, 300_000),
]
"""Bounds of the time to an answer: a quarter apart, as a quantile can be wrong by a bucket; Envoy's own double."""
HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"


def bootstrap(*, gateway_port: int, stats_port: int, admin: Path, activator: Path, folder: Path) -> Json:
    """Envoy's bootstrap.

    Args:
        gateway_port: port of 127.0.0.1 that clients call.
        stats_port: port of 127.0.0.1 that answers /stats/prometheus and nothing else of the admin interface, and
            /activator/metrics.
        admin: Unix socket of the admin interface, mode 0600.
        activator: Unix socket of the activator.
        folder: the watched folder.
    """
    return {
        "node": {"id": "modelyard", "cluster": "modelyard"},
        "admin": {"address": {"pipe": {"path": str(admin), "mode": 0o600}}},
        "stats_flush_interval": "1s",
        "stats_config": {
            "histogram_bucket_settings": [{"match": {"suffix": "upstream_rq_time"}, "buckets": LATENCY_BUCKETS_MS}]
        },
        "dynamic_resources": {"cds_config": watched(folder / "cds.json")},
        "static_resources": {
            "listeners": [_gateway_listener(gateway_port, folder), _stats_listener(stats_port)],
            "clusters": [_pipe_cluster("admin", admin), _pipe_cluster("activator", activator)],
        },
    }


def _gateway_listener(port: int, folder: Path) -> Json:
    manager = {
        "stat_prefix": "gateway",
        "rds": {"route_config_name": ROUTES, "config_source": watched(folder / "rds.json")},
        "local_reply_config": {"mappers": [_own_reply(flags, told) for flags, told in OWN_REPLIES]},
        "server_header_transformation": "OVERWRITE",
    }
    return _listener("gateway", port, manager)


OWN_REPLIES = (
    (["UH", "NC"], "has no replica that is ready"),
    (
        ["UF", "UC", "UR", "LR", "URX"],
        "has a replica that broke off, and neither another one nor the activator answered",
    ),
    (["UT"], "has not answered within its timeout"),
)
"""Envoy's response flags for what it answers in a replica's place, and what that means."""


def _own_reply(flags: list[str], told: str) -> Json:
    text = f'{{"error": "%REQ(:AUTHORITY)% {told}", "next": "kubectl get inferenceservices -A"}}\n'
    return {
        "filter": {"response_flag_filter": {"flags": flags}},
        "body_format_override": {
            "text_format_source": {"inline_string": text},
            "content_type": "application/json",
        },
    }


def _stats_listener(port: int) -> Json:
    only = {"match": {"path": "/stats/prometheus"}, "route": {"cluster": "admin"}}
    ours = {
        "match": {"path": "/activator/metrics"},
        "route": {"cluster": "activator", "prefix_rewrite": "/metrics"},
        "request_headers_to_remove": [NAMESPACE_HEADER, REVISION_HEADER],
    }
    rest = {"match": {"prefix": "/"}, "direct_response": {"status": 404}}
    inline = {"virtual_hosts": [{"name": "stats", "domains": ["*"], "routes": [only, ours, rest]}]}
    return _listener("stats", port, {"stat_prefix": "stats", "route_config": inline})


def _listener(name: str, port: int, manager: Json) -> Json:
    router = {"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}
    held = {"@type": HCM, "http_filters": [router], **manager}
    return {
        "name": name,
        "address": loopback(port),
        # Two Envoys must not share a port: the second has to fail, and loudly.
        "enable_reuse_port": False,
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": held}]},
        ],
    }


def _pipe_cluster(name: str, path: Path) -> Json:
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": CONNECT_TIMEOUT,
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": pipe(path)}}]}],
        },
    }


def write_bootstrap(conn: Connections) -> Path:
    """Write Envoy's bootstrap, and empty tables where the control plane has written none yet.

    Returns:
        The bootstrap's path, for `envoy --concurrency 1 --disable-hot-restart -c PATH`.
    """
    folder = watched_folder(conn)
    (folder / "eds").mkdir(parents=True, exist_ok=True)
    conn.layout.runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
    activator = conn.layout.socket("activator")
    for name, content in envoy_files(TrafficTable(conn.domain), folder, activator).items():
        if not (folder / name).exists():
            replace_file(folder / name, content)
    held = bootstrap(
        gateway_port=conn.port("gateway"),
        stats_port=conn.port("envoy_stats"),
        admin=conn.layout.socket("envoy-admin"),
        activator=activator,
        folder=folder,
    )
    path = folder / "bootstrap.json"
    replace_file(path, orjson.dumps(held, option=orjson.OPT_INDENT_2))
    return path
