"""Envoy's files from the traffic table."""

import json
from pathlib import Path

from modelyard.serving.gateway.bootstrap import bootstrap
from modelyard.serving.gateway.files import versions_from
from modelyard.serving.gateway.tables import Backend, Route, Share, TrafficTable, envoy_files, replace_file

A, B = "flights-predictor-00001", "flights-predictor-00002"
FOLDER = Path("/yard with space/config/envoy")
ACTIVATOR = Path("/run/activator.sock")
CANARY = TrafficTable(
    "localhost",
    routes=(Route("default", "flights", (Share(B, 10), Share(A, 90, "prev"))), Route("default", "coming", ())),
    backends=(Backend("default", A, (4001, 4002)), Backend("default", B, ())),
)


def hosts(table):
    (config,) = json.loads(envoy_files(table, FOLDER, ACTIVATOR)["rds.json"])["resources"]
    return {host["name"]: host for host in config["virtual_hosts"]}


def weights_of(route):
    return {part["name"]: part["weight"] for part in route["weighted_clusters"]["clusters"]}


def test_a_host_splits_by_weight_and_a_tag_has_a_host_of_its_own():
    held = hosts(CANARY)
    assert held["default/flights"]["domains"] == [
        "flights.default.localhost",
        "flights-predictor.default.localhost",
    ]
    route = held["default/flights"]["routes"][0]["route"]
    assert weights_of(route) == {f"default/{B}": 10, f"default/{A}": 90}
    assert held["default/prev-flights"]["domains"] == ["prev-flights-predictor.default.localhost"]
    assert held["default/prev-flights"]["routes"][0]["route"]["cluster"] == f"default/{A}"


def test_the_gateway_says_for_which_revision_a_request_is_whatever_the_client_says():
    held = hosts(CANARY)
    shares = held["default/flights"]["routes"][0]["route"]["weighted_clusters"]["clusters"]
    told = [share["request_headers_to_add"] for share in shares]
    told.append(held["default/prev-flights"]["routes"][0]["request_headers_to_add"])
    for headers, revision in zip(told, (B, A, A), strict=True):
        assert {(h["header"]["key"], h["header"]["value"], h["append_action"]) for h in headers} == {
            ("Knative-Serving-Namespace", "default", "OVERWRITE_IF_EXISTS_OR_ADD"),
            ("Knative-Serving-Revision", revision, "OVERWRITE_IF_EXISTS_OR_ADD"),
        }


def test_a_revision_at_nothing_has_no_weight_and_one_named_twice_has_both():
    none = TrafficTable("localhost", routes=(Route("default", "flights", (Share(B, 0), Share(A, 100, "prev"))),))
    twice = TrafficTable("localhost", routes=(Route("default", "flights", (Share(A, 10), Share(A, 90, "prev"))),))
    for table in (none, twice):
        route = hosts(table)["default/flights"]["routes"][0]["route"]
        assert weights_of(route) == {f"default/{A}": 100}


def test_a_stranger_is_told_the_hosts_and_a_service_that_is_coming_what_to_type():
    held = hosts(CANARY)
    answer = held["unknown"]["routes"][0]["direct_response"]
    assert answer["status"] == 404
    assert json.loads(answer["body"]["inline_string"])["known"] == [
        "flights.default.localhost",
        "coming.default.localhost",
    ]
    coming = held["default/coming"]["routes"][0]["direct_response"]
    assert (coming["status"], "kubectl describe" in coming["body"]["inline_string"]) == (503, True)


def test_endpoints_are_the_ready_replicas_and_behind_them_the_activator():
    files = envoy_files(CANARY, FOLDER, ACTIVATOR)
    (full,) = json.loads(files[f"eds/default.{A}.json"])["resources"]
    ports = [e["endpoint"]["address"]["socket_address"]["port_value"] for e in full["endpoints"][0]["lb_endpoints"]]
    assert ports == [4001, 4002]
    (empty,) = json.loads(files[f"eds/default.{B}.json"])["resources"]
    behind = {"priority": 1, "lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": str(ACTIVATOR)}}}}]}
    assert empty["endpoints"] == [{"priority": 0, "lb_endpoints": []}, behind]
    assert full["endpoints"][1] == behind
    assert [c["name"] for c in json.loads(files["cds.json"])["resources"]] == [f"default/{A}", f"default/{B}"]


def test_the_version_of_a_file_changes_only_with_its_content():
    again, other = envoy_files(CANARY, FOLDER, ACTIVATOR), envoy_files(TrafficTable("localhost"), FOLDER, ACTIVATOR)
    assert again == envoy_files(CANARY, FOLDER, ACTIVATOR)
    assert json.loads(again["rds.json"])["version_info"] != json.loads(other["rds.json"])["version_info"]


def test_envoy_listens_on_loopback_only_shares_no_port_and_hides_its_admin():
    held = bootstrap(gateway_port=7600, stats_port=7608, admin=Path("/run/a.sock"), activator=ACTIVATOR, folder=FOLDER)
    assert held["admin"]["address"]["pipe"]["mode"] == 0o600
    listeners = held["static_resources"]["listeners"]
    assert [(one["address"]["socket_address"]["address"], one["enable_reuse_port"]) for one in listeners] == [
        ("127.0.0.1", False),
        ("127.0.0.1", False),
    ]
    stats = listeners[1]["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]["virtual_hosts"][0]
    assert [route["match"] for route in stats["routes"]] == [
        {"path": "/stats/prometheus"},
        {"path": "/activator/metrics"},
        {"prefix": "/"},
    ]
    assert stats["routes"][2]["direct_response"]["status"] == 404


def test_versions_are_read_from_envoys_statistics():
    stats = (
        'cluster.default/flights-predictor-00001.version_text: "aa"\n'
        'cluster_manager.cds.version_text: "bb"\n'
        "cluster_manager.warming_clusters: 0\n"
        'http.gateway.rds.routes.version_text: "cc"\n'
    )
    assert versions_from(stats) == {
        "eds/default.flights-predictor-00001.json": "aa",
        "cds.json": "bb",
        "rds.json": "cc",
    }
    assert "cds.json" not in versions_from(stats.replace("clusters: 0", "clusters: 1"))


def test_a_file_that_holds_this_already_is_not_touched(tmp_path):
    path = tmp_path / "eds" / "x.json"
    assert replace_file(path, b"1")
    before = path.stat().st_mtime_ns
    assert not replace_file(path, b"1")
    assert path.stat().st_mtime_ns == before
    assert [p.name for p in path.parent.iterdir()] == ["x.json"]
