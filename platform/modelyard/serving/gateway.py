"""Envoy's configuration from the traffic table: pure functions, and the writer of the bootstrap.

Listeners are fixed; clusters (CDS), endpoints (EDS, one file a cluster) and routes (RDS) are files that Envoy watches.
Each file carries a hash of its content as version, which Envoy's admin tells back once it has taken the file.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from modelyard.connections import Connections

Json = dict[str, Any]

ROUTES = "routes"
CONNECT_TIMEOUT = "1s"
IDLE_TIMEOUT = "30s"
"""Shorter than the model server's keep-alive of 65 s, so that Envoy never sends on a connection just being closed."""
DEFAULT_TIMEOUT_S = 300
MANY = 100_000
"""Raised limit of each circuit breaker; Envoy's defaults (1024, 3 retries) fail a load test, not a model."""
LATENCY_BUCKETS_MS = [
    *(1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 65, 80, 100, 130, 160, 200, 250, 300, 400, 500, 650, 800),
    *(1_000, 1_500, 2_000, 3_000, 5_000, 10_000, 30_000, 60_000, 300_000),
]
"""Bounds of the time to an answer: a quarter apart, as a quantile can be wrong by a bucket; Envoy's own double."""
TYPE_URL = "type.googleapis.com/envoy.config"
HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


@dataclass(frozen=True)
class Share:
    """Part of an InferenceService's requests: `percent` of 100 to a revision; `tag` gives it a host of its own."""

    revision: str
    percent: int
    tag: str = ""


@dataclass(frozen=True)
class Route:
    """Where the requests for one InferenceService go; shares add up to 100, or there are none yet."""

    namespace: str
    inferenceservice: str
    shares: tuple[Share, ...]
    timeout_s: int = DEFAULT_TIMEOUT_S


@dataclass(frozen=True)
class Backend:
    """A revision and the ports of its ready replicas on 127.0.0.1."""

    namespace: str
    revision: str
    ports: tuple[int, ...]

    @property
    def cluster(self) -> str:
        """Name of the Envoy cluster."""
        return f"{self.namespace}/{self.revision}"

    @property
    def file(self) -> str:
        """Its EDS file, relative to the watched folder."""
        return f"eds/{self.namespace}.{self.revision}.json"


@dataclass(frozen=True)
class TrafficTable:
    """All that the gateway knows."""

    domain: str
    routes: tuple[Route, ...] = ()
    backends: tuple[Backend, ...] = ()


def hosts_of(route: Route, domain: str) -> list[str]:
    """Host names that an InferenceService answers to, without port."""
    return [
        f"{route.inferenceservice}.{route.namespace}.{domain}",
        f"{route.inferenceservice}-predictor.{route.namespace}.{domain}",
    ]


def tag_host(route: Route, tag: str, domain: str) -> str:
    """Host name of one tagged revision, as Knative forms it."""
    return f"{tag}-{route.inferenceservice}-predictor.{route.namespace}.{domain}"


def envoy_files(table: TrafficTable, folder: Path) -> dict[str, bytes]:
    """Watched files by path relative to `folder`: cds.json, rds.json and one EDS file a backend."""
    files = {backend.file: resources([endpoints(backend)]) for backend in table.backends}
    files["cds.json"] = resources([cluster(backend, folder) for backend in table.backends])
    files["rds.json"] = resources([routes(table)])
    return files


def resources(held: list[Json]) -> bytes:
    """A discovery response as a file; its version is a hash of its content."""
    version = hashlib.sha256(orjson.dumps(held)).hexdigest()[:16]
    return orjson.dumps({"version_info": version, "resources": held}, option=orjson.OPT_INDENT_2)


def version_of(file: bytes) -> str:
    """Version of a file that `resources` made."""
    return orjson.loads(file)["version_info"]


def endpoints(backend: Backend) -> Json:
    """ClusterLoadAssignment of a backend; without ports Envoy answers 503 at once."""
    return {
        "@type": f"{TYPE_URL}.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": backend.cluster,
        "endpoints": [
            {"lb_endpoints": [{"endpoint": {"address": _loopback(port)}} for port in backend.ports]},
        ],
    }


def cluster(backend: Backend, folder: Path) -> Json:
    """Cluster of a backend."""
    limits = dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), MANY)
    return {
        "@type": f"{TYPE_URL}.cluster.v3.Cluster",
        "name": backend.cluster,
        "type": "EDS",
        "eds_cluster_config": {"eds_config": _watched(folder / backend.file)},
        "connect_timeout": CONNECT_TIMEOUT,
        "lb_policy": "LEAST_REQUEST",
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "circuit_breakers": {"thresholds": [limits]},
        "typed_extension_protocol_options": {
            HTTP_OPTIONS: {
                "@type": f"type.googleapis.com/{HTTP_OPTIONS}",
                "common_http_protocol_options": {"idle_timeout": IDLE_TIMEOUT},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
    }


def routes(table: TrafficTable) -> Json:
    """RouteConfiguration: one virtual host an InferenceService, one a tagged revision, one for everybody else."""
    known = [host for route in table.routes for host in hosts_of(route, table.domain)[:1]]
    hosts = [_service_host(route, table.domain) for route in table.routes if route.shares]
    hosts += [_waiting_host(route, table.domain) for route in table.routes if not route.shares]
    for route in table.routes:
        hosts += [_tag_host(route, share, table.domain) for share in route.shares if share.tag]
    told = {"error": "no InferenceService answers to this Host header", "known": known}
    return {
        "@type": f"{TYPE_URL}.route.v3.RouteConfiguration",
        "name": ROUTES,
        "ignore_port_in_host_matching": True,
        "virtual_hosts": [*hosts, _answering_host("unknown", ["*"], 404, told)],
    }


def _service_host(route: Route, domain: str) -> Json:
    weights: dict[str, int] = {}
    for share in route.shares:
        weights[share.revision] = weights.get(share.revision, 0) + share.percent
    parts = [{"name": f"{route.namespace}/{rev}", "weight": weight} for rev, weight in weights.items() if weight > 0]
    weighted = {"clusters": parts}
    name = f"{route.namespace}/{route.inferenceservice}"
    return _virtual_host(name, hosts_of(route, domain), {"weighted_clusters": weighted}, route)


def _tag_host(route: Route, share: Share, domain: str) -> Json:
    name = f"{route.namespace}/{share.tag}-{route.inferenceservice}"
    to = {"cluster": f"{route.namespace}/{share.revision}"}
    return _virtual_host(name, [tag_host(route, share.tag, domain)], to, route)


def _virtual_host(name: str, domains: list[str], to: Json, route: Route) -> Json:
    retry = {
        # Each of these says that the replica has not begun; a POST is never sent twice.
        "retry_on": "connect-failure,refused-stream,reset-before-request",
        "num_retries": 3,
        "retry_host_predicate": [
            {
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
                },
            }
        ],
        "host_selection_retry_max_attempts": 3,
    }
    action = {**to, "timeout": f"{route.timeout_s}s", "retry_policy": retry}
    return {"name": name, "domains": domains, "routes": [{"match": {"prefix": "/"}, "route": action}]}


def _waiting_host(route: Route, domain: str) -> Json:
    name = f"{route.namespace}/{route.inferenceservice}"
    told = {
        "error": f"InferenceService {name} has no revision that is ready",
        "next": f"kubectl describe inferenceservice {route.inferenceservice} -n {route.namespace}",
    }
    return _answering_host(name, hosts_of(route, domain), 503, told)


def _answering_host(name: str, domains: list[str], status: int, told: Json) -> Json:
    answer = {"status": status, "body": {"inline_string": orjson.dumps(told).decode()}}
    json_type = {"header": {"key": "content-type", "value": "application/json"}, "append_action": OVERWRITE}
    return {
        "name": name,
        "domains": domains,
        "routes": [
            {"match": {"prefix": "/"}, "direct_response": answer, "response_headers_to_add": [json_type]},
        ],
    }


OVERWRITE = "OVERWRITE_IF_EXISTS_OR_ADD"


def bootstrap(*, gateway_port: int, stats_port: int, admin: Path, folder: Path) -> Json:
    """Envoy's bootstrap.

    Args:
        gateway_port: port of 127.0.0.1 that clients call.
        stats_port: port of 127.0.0.1 that answers /stats/prometheus and nothing else of the admin interface.
        admin: Unix socket of the admin interface, mode 0600.
        folder: the watched folder.
    """
    return {
        "node": {"id": "modelyard", "cluster": "modelyard"},
        "admin": {"address": {"pipe": {"path": str(admin), "mode": 0o600}}},
        "stats_flush_interval": "1s",
        "stats_config": {
            "histogram_bucket_settings": [{"match": {"suffix": "upstream_rq_time"}, "buckets": LATENCY_BUCKETS_MS}]
        },
        "dynamic_resources": {"cds_config": _watched(folder / "cds.json")},
        "static_resources": {
            "listeners": [_gateway_listener(gateway_port, folder), _stats_listener(stats_port)],
            "clusters": [_admin_cluster(admin)],
        },
    }


def _gateway_listener(port: int, folder: Path) -> Json:
    manager = {
        "stat_prefix": "gateway",
        "rds": {"route_config_name": ROUTES, "config_source": _watched(folder / "rds.json")},
        "local_reply_config": {"mappers": [_no_replica_reply()]},
        "server_header_transformation": "OVERWRITE",
    }
    return _listener("gateway", port, manager)


def _no_replica_reply() -> Json:
    text = '{"error": "%REQ(:AUTHORITY)% has no replica that is ready", "next": "kubectl get inferenceservices -A"}\n'
    return {
        "filter": {"response_flag_filter": {"flags": ["UH", "NC"]}},
        "body_format_override": {
            "text_format_source": {"inline_string": text},
            "content_type": "application/json",
        },
    }


def _stats_listener(port: int) -> Json:
    only = {"match": {"path": "/stats/prometheus"}, "route": {"cluster": "admin"}}
    rest = {"match": {"prefix": "/"}, "direct_response": {"status": 404}}
    inline = {"virtual_hosts": [{"name": "stats", "domains": ["*"], "routes": [only, rest]}]}
    return _listener("stats", port, {"stat_prefix": "stats", "route_config": inline})


def _listener(name: str, port: int, manager: Json) -> Json:
    router = {"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}
    held = {"@type": HCM, "http_filters": [router], **manager}
    return {
        "name": name,
        "address": _loopback(port),
        # Two Envoys must not share a port: the second has to fail, and loudly.
        "enable_reuse_port": False,
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": held}]},
        ],
    }


def _admin_cluster(admin: Path) -> Json:
    endpoint = {"endpoint": {"address": {"pipe": {"path": str(admin)}}}}
    return {
        "name": "admin",
        "type": "STATIC",
        "connect_timeout": CONNECT_TIMEOUT,
        "load_assignment": {"cluster_name": "admin", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _loopback(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _watched(path: Path) -> Json:
    source = {"path": str(path), "watched_directory": {"path": str(path.parent)}}
    return {"path_config_source": source, "resource_api_version": "V3"}


def watched_folder(conn: Connections) -> Path:
    """Folder of the files that Envoy watches."""
    return conn.layout.config / "envoy"


def replace_file(path: Path, content: bytes) -> bool:
    """Write a file by rename, as Envoy's watch wants it; False where it holds this already."""
    try:
        if path.read_bytes() == content:
            return False
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)
    return True


def write_bootstrap(conn: Connections) -> Path:
    """Write Envoy's bootstrap, and empty tables where the control plane has written none yet.

    Returns:
        The bootstrap's path, for `envoy --concurrency 1 --disable-hot-restart -c PATH`.
    """
    folder = watched_folder(conn)
    (folder / "eds").mkdir(parents=True, exist_ok=True)
    conn.layout.runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, content in envoy_files(TrafficTable(conn.domain), folder).items():
        if not (folder / name).exists():
            replace_file(folder / name, content)
    held = bootstrap(
        gateway_port=conn.port("gateway"),
        stats_port=conn.port("envoy_stats"),
        admin=conn.layout.socket("envoy-admin"),
        folder=folder,
    )
    path = folder / "bootstrap.json"
    replace_file(path, orjson.dumps(held, option=orjson.OPT_INDENT_2))
    return path
