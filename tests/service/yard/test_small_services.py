"""The whole way of `up` with services of a few lines: what failed, what waited, what changed, what was left behind."""

import os
import signal
import socket
import sys
import time
from dataclasses import replace

import pytest

from modelyard.errors import ServiceFailed
from modelyard.services.service import Process, Service
from modelyard.waiting import wait_until
from modelyard.yard import marks
from modelyard.yard.down import take_down
from modelyard.yard.plan import Plan
from modelyard.yard.reset import forget
from modelyard.yard.up import carry_out, make_plan, prepare

SERVER = """
import http.server, os, sys
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(sys.argv[2].encode())
    def log_message(self, *told):
        pass
held = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Page)
if "fork" in sys.argv and os.fork():
    os.wait()
held.serve_forever()
"""


class Told:
    """A view that remembers."""

    def __init__(self):
        self.lines = []
        self.states = {}

    def say(self, line):
        self.lines.append(line)

    def show(self, service, state, told=""):
        self.states[service] = (state, told)

    def working(self):
        import contextlib

        return contextlib.nullcontext()


@pytest.fixture
def small(yards, request):
    """Brings up a yard of small services; returns its plan and its view."""
    of_the_test = yards.settings(f"small-{abs(hash(request.node.name)) % 10**6}", stop_deadline_s=2.0)

    class Small:
        conn = prepare(of_the_test)
        settings = of_the_test

        def up(self, *services, deadline_s=20.0) -> tuple[Plan, Told]:
            settings = self.settings.model_copy(update={"up_deadline_s": deadline_s})
            started = {service.name: (service, service.process(None)) for service in services}
            told = Told()
            plan = make_plan(self.conn, settings, started)
            carry_out(plan, self.conn, settings, started, told)
            return plan, told

        def pid(self, name):
            return yards.pids(self.settings).get(name)

        def marked(self):
            return yards.marked(self.settings)

    yield Small()
    take_down(of_the_test)


def answering(conn, name, key, *, says="hello", needs=(), more=(), survivors=False):
    """A service that answers HTTP on one of the yard's ports."""

    def probe(held):
        with socket.create_connection(("127.0.0.1", held.port(key)), timeout=1) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            if not client.recv(100).startswith(b"HTTP/1.0 200"):
                raise LookupError("no page")

    argv = (sys.executable, "-c", SERVER, str(conn.port(key)), says, *more)
    return Service(name, name, (key,), lambda _: Process(argv), probe, needs=needs, survivors=survivors)


def failing(name, script, needs=()):
    """A service whose program is a line of shell, and whose probe never succeeds."""

    def probe(held):
        raise LookupError("the probe's last word")

    return Service(name, name, (), lambda _: Process(("/bin/sh", "-c", script)), probe, needs=needs)


def test_a_service_that_ends_is_told_with_its_log_and_with_those_not_started_because_of_it(small):
    conn = small.conn
    services = [
        failing("store", "echo no such bucket; exit 3"),
        answering(conn, "api", "kubernetes", needs=("store",)),
        answering(conn, "gateway", "gateway", needs=("api",)),
        answering(conn, "alone", "monitor"),
    ]
    with pytest.raises(ServiceFailed) as failed:
        small.up(*services)
    told = str(failed.value)
    assert told.startswith("error: store ended")
    assert "not started because of that: api, gateway" in told
    assert f"log: {conn.layout.log('store')}" in told
    assert "no such bucket" in told
    assert told.endswith("next: ./invoke logs store")
    assert small.pid("alone"), "what does not need it is up"
    assert not small.pid("api")


def test_a_service_that_never_answers_is_told_with_the_last_word_of_its_probe(small):
    with pytest.raises(ServiceFailed, match=r"waiting for mute to be ready; last answer: .*the probe's last word"):
        small.up(failing("mute", "echo waiting; exec sleep 1000"), deadline_s=3.0)


def test_a_program_that_cannot_be_started_is_told(small):
    nowhere = failing("nowhere", "")
    nowhere = replace(nowhere, process=lambda _: Process(("/no/such/program",)))
    with pytest.raises(ServiceFailed, match="nowhere cannot be started: No such file or directory: /no/such/program"):
        small.up(nowhere)


def test_what_a_service_is_started_from_has_changed_and_only_it_is_restarted(small):
    conn = small.conn
    small.up(answering(conn, "one", "mlflow"), answering(conn, "two", "monitor"))
    before = {name: small.pid(name) for name in ("one", "two", "supervisor")}
    plan, _ = small.up(answering(conn, "one", "mlflow", says="other"), answering(conn, "two", "monitor"))
    assert plan.starts == ("one",)
    assert small.pid("one") != before["one"]
    assert small.pid("two") == before["two"]
    assert small.pid("supervisor") == before["supervisor"]


def test_a_service_that_is_gone_from_the_catalog_is_stopped(small):
    conn = small.conn
    small.up(answering(conn, "one", "mlflow"), answering(conn, "two", "monitor"))
    small.up(answering(conn, "one", "mlflow"))
    assert small.pid("two") is None


def test_a_worker_that_holds_the_port_after_its_parent_was_killed_is_ended_by_the_next_start(small):
    service = answering(small.conn, "forking", "mlflow", more=("fork",))
    small.up(service)
    family = [process.pid for process in small.marked() if process.service == "forking"]
    parent = small.pid("forking")
    assert len(family) == 2
    os.kill(parent, signal.SIGKILL)

    def back():
        now = {process.pid for process in small.marked() if process.service == "forking"}
        return len(now) == 2 and now.isdisjoint(family)

    wait_until(back, what="the supervisor to start it again, with a worker of its own", deadline_s=15)


def test_children_that_the_service_finds_again_outlive_it_and_up_leaves_them(small):
    service = answering(small.conn, "parent", "mlflow", more=("fork",), survivors=True)
    small.up(service)
    [child] = [p.pid for p in small.marked() if p.service == "parent" and p.pid != small.pid("parent")]
    # The child holds the port, so that the next parent cannot start: this test only looks at who is ended.
    os.kill(small.pid("parent"), signal.SIGKILL)
    started = {"parent": (service, service.process(None))}
    plan = make_plan(small.conn, small.settings, started)
    assert child not in [process.pid for process in plan.end]


@pytest.mark.parametrize("with_supervisor", [True, False])
def test_a_process_that_ignores_sigterm_is_killed_by_down(small, with_supervisor):
    def trapped(conn):
        (conn.layout.folder / "trapped").stat()

    script = "trap '' TERM; touch trapped; while :; do sleep 0.2; done"
    small.up(replace(failing("stubborn", script), probe=trapped))
    if not with_supervisor:
        os.kill(small.pid("supervisor"), signal.SIGKILL)
    begun = time.monotonic()
    take_down(small.settings)
    assert small.marked() == []
    assert small.settings.stop_deadline_s <= time.monotonic() - begun < 15


def test_reset_forgets_the_yard_and_the_next_up_makes_another(small):
    before = small.conn
    small.up(answering(before, "one", "mlflow"))
    forget(small.settings, say=lambda line: None)
    assert not before.layout.folder.exists()
    assert not before.layout.runtime.exists()
    assert marks.find_marked(before.layout.yard_id) == []
    after = prepare(small.settings)
    assert after.layout.yard_id != before.layout.yard_id
    assert after.credentials.kubernetes_token != before.credentials.kubernetes_token


def test_a_process_without_the_mark_is_never_touched(small):
    import subprocess

    bystander = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"],
        stdin=subprocess.PIPE,
        env={**os.environ, marks.MARK_VARIABLE: "another-yard", marks.SERVICE_VARIABLE: "one"},
    )
    small.up(answering(small.conn, "one", "mlflow"))
    os.kill(small.pid("supervisor"), signal.SIGKILL)
    small.up(answering(small.conn, "one", "mlflow"))
    assert bystander.poll() is None
    bystander.communicate()
