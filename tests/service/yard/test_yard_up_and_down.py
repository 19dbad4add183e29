"""Up, down, status and what is left behind, with real processes."""

import os
import socket
import stat
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from modelyard.services.catalog import BY_NAME, CATALOG
from modelyard.yard import ports
from modelyard.yard.down import take_down
from modelyard.yard.observation import ask
from modelyard.yard.ports import PortTaken
from modelyard.yard.record import read_record
from modelyard.yard.status import observe
from modelyard.yard.up import bring_up, describe_plan

NEEDED = [service for service in CATALOG if not service.optional]


@pytest.mark.smoke
def test_up_ends_when_every_service_has_answered_a_real_request(up, shared):
    assert {service.name: ask(service, up) for service in NEEDED} == dict.fromkeys([s.name for s in NEEDED], "")
    assert observe(shared).ready


def test_up_twice_starts_nothing_anew(up, yards, shared):
    before = yards.pids(shared)
    record = read_record(up.layout.record)
    leaf = (up.layout.tls / "server.pem").read_bytes()
    bring_up(shared)
    assert yards.pids(shared) == before
    assert read_record(up.layout.record) == record
    assert (up.layout.tls / "server.pem").read_bytes() == leaf
    assert "start" not in describe_plan(shared)


def test_two_ups_at_once_make_one_yard(yards, shared):
    take_down(shared)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: bring_up(shared), range(2)))
    assert observe(shared).ready
    assert len([p for p in yards.marked(shared) if p.service == "supervisor"]) == 1


def test_every_socket_is_on_loopback_only(up, yards, shared):
    listening = {
        (process.service, held.laddr[0])
        for process in yards.marked(shared)
        for held in psutil.Process(process.pid).connections("inet")
        if held.status == psutil.CONN_LISTEN
    }
    assert {"objectstore", "mlflow", "prometheus", "envoy", "serving", "monitor"} <= {name for name, _ in listening}
    assert {address for _, address in listening} == {"127.0.0.1"}


def test_no_secret_is_in_a_process_list_and_files_are_for_this_user_only(up, yards, shared):
    secrets = list(vars(up.credentials).values())
    lines = [" ".join(psutil.Process(process.pid).cmdline()) for process in yards.marked(shared)]
    assert not [line for line in lines if any(secret in line for secret in secrets)]
    readable = [
        path
        for path in [*up.layout.folder.glob("*"), *up.layout.tls.iterdir(), *up.layout.config.rglob("*")]
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets)
        if stat.S_IMODE(path.stat().st_mode) != 0o600
    ]
    assert readable == []


def test_mlflow_is_one_process_and_refuses_the_hosts_of_other_peoples_pages(up, yards, shared):
    assert len([process for process in yards.marked(shared) if process.service == "mlflow"]) == 1
    page = f"{up.address('mlflow')}/api/2.0/mlflow/experiments/search"
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        assert httpx.post(page, json={"max_results": 1}, headers=headers, trust_env=False).status_code == 403
    assert httpx.post(page, json={"max_results": 1}, trust_env=False).status_code == 200


def test_status_names_what_the_yard_is_reached_by(up, shared):
    found = observe(shared)
    assert found.kubeconfig == str(up.kubeconfig)
    assert found.gateway == f"http://127.0.0.1:{up.port('gateway')}"
    held = {service.name: service for service in found.services}
    assert set(held) == set(BY_NAME)
    for service in NEEDED:
        told = held[service.name]
        assert told.ready
        assert psutil.pid_exists(told.pid)
        assert told.memory_bytes > 1_000_000
        assert told.uptime_s >= 0
    assert found.inferenceservices == ()


def test_two_yards_stand_side_by_side(up, yards, shared):
    other = yards.settings("other")
    second = bring_up(other)
    assert set(ports.block(second.first_port).values()).isdisjoint(ports.block(up.first_port).values())
    key = up.credentials
    refused = httpx.get(
        second.address("kubernetes"), verify=False, headers={"Authorization": f"Bearer {key.kubernetes_token}"}
    )
    assert refused.status_code == 401
    take_down(other)
    assert observe(shared).ready


def test_down_leaves_no_process_no_port_and_no_socket(up, yards, shared):
    assert take_down(shared)
    assert yards.marked(shared) == []
    assert [port for port in ports.block(up.first_port).values() if not ports.is_free(port)] == []
    assert not up.layout.runtime.exists()
    assert not take_down(shared), "a second down has nothing to end"
    assert not observe(shared).ready


def test_a_port_that_a_foreign_program_holds_is_told_and_auto_moves_the_block(yards, shared):
    first = bring_up(shared).first_port
    take_down(shared)
    fixed = shared.model_copy(update={"ports": str(first)})
    with socket.create_server(("127.0.0.1", first + 2)):
        with pytest.raises(PortTaken) as refused:
            bring_up(fixed)
        assert f"port {first + 2} (mlflow) is held by" in str(refused.value)
        assert f"(pid {os.getpid()})" in str(refused.value)
        assert "--ports auto" in str(refused.value)
        assert yards.marked(shared) == [], "nothing was started"
        moved = bring_up(shared)
    assert moved.first_port != first
    assert moved.kubeconfig.read_text().count(str(moved.port("kubernetes"))) == 1
