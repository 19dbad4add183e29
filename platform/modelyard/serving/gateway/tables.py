"""Envoy's configuration from the traffic table: pure functions.

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
from modelyard.serving.activator.messages import DEFAULT_TIMEOUT_S, NAMESPACE_HEADER, REVISION_HEADER

Json = dict[str, Any]

ROUTES = "routes"
CONNECT_TIMEOUT = "1s"
IDLE_TIMEOUT = "30s"
"""Shorter than the model server's keep-alive of 65 s, so that Envoy never sends on a connection just being closed."""
BACKSTOP_S = 2
"""Envoy waits so much longer than a route's timeout, which replica and activator keep: they answer with reasons."""
SENT_AGAIN_BYTES = 16 * 2**20
"""Of a request's body that Envoy keeps until the answer begins, to send it again; Envoy's default is 1 MiB."""
MANY = 100_000
"""Raised limit of each circuit breaker; Envoy's defaults (1024, 3 retries) fail a load test, not a model."""
TYPE_URL = "type.googleapis.com/envoy.config"
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


def envoy_files(table: TrafficTable, folder: Path, activator: Path) -> dict[str, bytes]:
    """Watched files by path relative to `folder`: cds.json, rds.json and one EDS file a backend.

    `activator` is the Unix socket of the activator, which gets what no replica can take.
    """
    files = {backend.file: resources([endpoints(backend, activator)]) for backend in table.backends}
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


def endpoints(backend: Backend, activator: Path) -> Json:
    """ClusterLoadAssignment of a backend: its replicas, and behind them the activator.

    The overprovisioning factor says that one replica out of a thousand is enough to keep the activator out of it.
    """
    replicas = [{"endpoint": {"address": loopback(port)}} for port in backend.ports]
    return {
        "@type": f"{TYPE_URL}.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": backend.cluster,
        "endpoints": [
            {"priority": 0, "lb_endpoints": replicas},
            {"priority": 1, "lb_endpoints": [{"endpoint": {"address": pipe(activator)}}]},
        ],
        "policy": {"overprovisioning_factor": MANY},
    }


def cluster(backend: Backend, folder: Path) -> Json:
    """Cluster of a backend.

    A panic threshold of 1 percent: only when nothing at all is left, everything is tried, the activator among it.
    """
    limits = dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), MANY)
    return {
        "@type": f"{TYPE_URL}.cluster.v3.Cluster",
        "name": backend.cluster,
        "type": "EDS",
        "eds_cluster_config": {"eds_config": watched(folder / backend.file)},
        "connect_timeout": CONNECT_TIMEOUT,
        "lb_policy": "LEAST_REQUEST",
        "common_lb_config": {"healthy_panic_threshold": {"value": 1}},
        "outlier_detection": OUTLIERS,
        "circuit_breakers": {"thresholds": [limits]},
        "typed_extension_protocol_options": {
            HTTP_OPTIONS: {
                "@type": f"type.googleapis.com/{HTTP_OPTIONS}",
                "common_http_protocol_options": {"idle_timeout": IDLE_TIMEOUT},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
    }


OUTLIERS = {
    # Only what Envoy itself saw fail: a connection refused or broken. Answers of a model never count, 5xx neither.
    "split_external_local_origin_errors": True,
    "consecutive_local_origin_failure": 1,
    "enforcing_consecutive_local_origin_failure": 100,
    **dict.fromkeys(
        (
            "enforcing_consecutive_5xx",
            "enforcing_consecutive_gateway_failure",
            "enforcing_success_rate",
            "enforcing_local_origin_success_rate",
            "enforcing_failure_percentage",
            "enforcing_failure_percentage_local_origin",
        ),
        0,
    ),
    "max_ejection_percent": 100,
    "interval": "0.25s",
    "base_ejection_time": "1s",
    "max_ejection_time": "2s",
}
"""A dead replica's port gets nothing for a second or two, whether or not there is a control plane to take it away."""


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
    parts = [
        {
            "name": f"{route.namespace}/{revision}",
            "weight": weight,
            "request_headers_to_add": _headers_for(route, revision),
        }
        for revision, weight in weights.items()
        if weight > 0
    ]
    name = f"{route.namespace}/{route.inferenceservice}"
    return _virtual_host(name, hosts_of(route, domain), {"weighted_clusters": {"clusters": parts}}, route)


def _tag_host(route: Route, share: Share, domain: str) -> Json:
    name = f"{route.namespace}/{share.tag}-{route.inferenceservice}"
    to = {"cluster": f"{route.namespace}/{share.revision}"}
    host = _virtual_host(name, [tag_host(route, share.tag, domain)], to, route)
    host["routes"][0]["request_headers_to_add"] = _headers_for(route, share.revision)
    return host


def _headers_for(route: Route, revision: str) -> list[Json]:
    """What the activator knows a request's revision by, in place of whatever a client has sent."""
    told = {NAMESPACE_HEADER: route.namespace, REVISION_HEADER: revision}
    return [{"header": {"key": key, "value": value}, "append_action": OVERWRITE} for key, value in told.items()]


def _virtual_host(name: str, domains: list[str], to: Json, route: Route) -> Json:
    timeout = f"{route.timeout_s + BACKSTOP_S}s"
    # Its idle timeout too: the default of five minutes would end what a longer timeout allows.
    action = {**to, "timeout": timeout, "idle_timeout": timeout, "retry_policy": RETRIES}
    return {
        "name": name,
        "domains": domains,
        # The activator counts a request's attempts, so that one that kills replicas kills few.
        "include_request_attempt_count": True,
        "request_body_buffer_limit": SENT_AGAIN_BYTES,
        "request_headers_to_remove": DROPPED_HEADERS,
        "routes": [{"match": {"prefix": "/"}, "route": action}],
    }


DROPPED_HEADERS = [
    *("K-Proxy-Request", "K-Network-Probe"),
    *("x-envoy-max-retries", "x-envoy-retry-on", "x-envoy-retry-grpc-on", "x-envoy-upstream-rq-timeout-ms"),
    *("x-envoy-upstream-rq-per-try-timeout-ms", "x-envoy-expected-rq-timeout-ms", "x-envoy-hedge-on-per-try-timeout"),
]
"""What a client may not say: it would keep its requests out of the count that scales, or have them sent more often."""
RETRIES = {
    # `reset` sends a request again that a replica may have begun: predict is a pure function.
    "retry_on": "connect-failure,refused-stream,reset-before-request,reset",
    # Enough for the second or two in which a killed activator comes back.
    "num_retries": 12,
    "retry_back_off": {"base_interval": "0.025s", "max_interval": "1s"},
    # The second attempt is the activator's, which knows which replicas live, holds where none does, and keeps count.
    "retry_priority": {
        "name": "envoy.retry_priorities.previous_priorities",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3"
            ".PreviousPrioritiesConfig",
            "update_frequency": 1,
        },
    },
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


def pipe(path: Path) -> Json:
    """A Unix socket, as an address of Envoy's."""
    return {"pipe": {"path": str(path)}}


def loopback(port: int) -> Json:
    """A port of 127.0.0.1, as an address of Envoy's."""
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def watched(path: Path) -> Json:
    """A file that Envoy follows."""
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
