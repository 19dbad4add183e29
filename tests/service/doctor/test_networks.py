"""Networks that stand in a person's way, made of real sockets on this machine."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from modelyard.doctor import network
from modelyard.doctor.programs import find_sources
from modelyard.doctor.system import System
from modelyard.settings import load_settings
from modelyard.toolbox import Toolbox

HERE = System()


@contextmanager
def serving(*, status=200, ahead_s=0.0, certificate=None):
    """A server that answers everything with one status; its address without a scheme."""

    class Handler(BaseHTTPRequestHandler):
        def date_time_string(self, timestamp=None):
            return formatdate(time.time() + ahead_s, usegmt=True)

        def do_HEAD(self):
            self.send_response(status)
            self.end_headers()

        do_GET = do_CONNECT = do_HEAD

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *words: None  # a client that does not trust it breaks off
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def online(world, monkeypatch):
    """The world, which may ask servers; takes the registry's address."""

    def begin(registry):
        world.set(offline="false", grafana="never")
        for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PIP_INDEX_URL", registry)
        return world

    return begin


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as held:
        return held.getsockname()[1]


def test_a_proxy_that_is_gone_is_told_and_without_it_all_is_well(world, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", f"http://ann:s3cret@127.0.0.1:{closed_port()}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    finding = world.only("proxy")
    assert finding.state == "problem"
    assert "Connection refused" in finding.found
    assert "s3cret" not in str(finding)
    assert finding.next_command == "unset HTTPS_PROXY"
    monkeypatch.delenv("HTTPS_PROXY")
    assert world.only("proxy").state == "ok"


def test_a_proxy_before_this_machine_is_told_and_the_pasted_line_passes_it_by(world, monkeypatch):
    with serving() as proxy:
        monkeypatch.setenv("http_proxy", f"http://{proxy}")
        monkeypatch.setenv("NO_PROXY", "school.example")
        finding = world.only("proxy")
        assert finding.state == "warning"
        ask = "import urllib.request; print(urllib.request.proxy_bypass('127.0.0.1'))"
        assert world.python(ask) == "False"
        assert world.python(ask, before=("sh", "-c", f'{finding.next_command}; exec "$@"', "sh")) == "True"


def test_a_proxy_that_asks_for_a_password_is_told_from_a_network_that_is_down(online, monkeypatch):
    with serving(status=407) as proxy:
        monkeypatch.setenv("http_proxy", f"http://{proxy}")
        monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
        finding = online("http://registry.example/simple").only("network")
    assert finding.state == "problem"
    assert "asks for a password" in finding.found


def test_a_registry_that_answers_is_fine_and_its_clock_is_compared(online):
    with serving() as registry:
        world = online(f"http://{registry}/simple")
        assert world.only("network").state == "ok"
        assert world.only("network", about="clock").state == "ok"


def test_a_clock_that_differs_from_the_registry_s_is_told_with_its_direction(online):
    with serving(ahead_s=7_200) as registry:
        finding = online(f"http://{registry}/simple").only("network", about="clock")
    assert finding.state == "problem"
    assert "2 hours slow" in finding.found


def test_a_certificate_that_nobody_here_trusts_is_told_and_a_bundle_with_it_mends_it(tmp_path, monkeypatch):
    authority = trustme.CA()
    bundle = tmp_path / "school.pem"
    authority.cert_pem.write_to_path(str(bundle))
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    with serving(certificate=authority.issue_cert("127.0.0.1")) as registry:
        reply = network.ask("package registry", f"https://{registry}/simple")
        assert reply.trouble == "certificate"
        (finding,) = network.decide_network([reply], HERE, bundle=str(bundle))
        assert finding.state == "problem"
        assert f"export SSL_CERT_FILE={bundle} " in finding.next_command
        monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
        assert network.ask("package registry", f"https://{registry}/simple").status == 200


def test_a_server_that_takes_connections_and_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(network, "ANSWER_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as held:
        reply = network.ask("package registry", f"http://127.0.0.1:{held.getsockname()[1]}/simple")
    assert reply.trouble == "silent"
    assert network.ask("package registry", f"http://127.0.0.1:{closed_port()}/").trouble == "refused"


@pytest.mark.parametrize("address", ["no address", "http://", "http://[::1", "ftp://x/", "http://a:b/"])
def test_an_address_that_is_none_is_told_and_raises_nothing(address):
    reply = network.ask("package registry", address)
    assert not reply.answers
    assert reply.trouble
    (finding,) = network.decide_network([reply], HERE)
    assert finding.state == "warning"


def test_a_program_that_only_a_stick_could_give_is_missing_until_the_stick_has_it(world, monkeypatch, tmp_path):
    stick = tmp_path / "a stick"
    stick.mkdir()
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    world.set(cache_dir=tmp_path / "empty", mirror=stick, grafana="never")
    missing = [finding for finding in world.examine("network", about="programs") if finding.state == "problem"]
    assert any(
        finding.found.startswith("prometheus is not here") and str(stick) in finding.found for finding in missing
    )
    for name in Toolbox(tmp_path).pins:
        for address in find_sources(Toolbox(tmp_path).pins[name], load_settings()):
            Path(address).touch()
    finding = world.only("network", about="programs")
    assert (finding.state, finding.next_command) == ("warning", "./invoke fetch")


@pytest.mark.skipif(
    os.getuid() != 0 or sys.platform != "linux" or not shutil.which("unshare"),
    reason="needs root and a network namespace",
)
def test_a_machine_without_any_network_is_told_so_in_a_sentence():
    code = (
        "import json; from dataclasses import asdict; from modelyard.doctor import network, system;"
        "replies = network.ask_all({'package registry': 'https://pypi.org/simple', 'prometheus': 'https://github.com/'});"
        "print(json.dumps(asdict(network.decide_network(replies, system.System())[0])))"
    )
    plain = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", code], env=plain, capture_output=True, text=True, check=True
    )
    finding = json.loads(done.stdout)
    assert finding["state"] == "warning"
    assert finding["found"].startswith("There seems to be no network (pypi.org: its name is not known; github.com: ")
