"""loadtests/replay.py as a process, against a small server that counts what it is sent."""

import json
import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest
from claimed_ports import claim_block

from modelyard.connections import connect
from modelyard.errors import CommandFailed
from modelyard.story.locust import Order, command_of, send
from modelyard.waiting import wait_until
from modelyard.yard.layout import PORTS
from modelyard.yard.record import YardRecord, write_record


class Counting(ThreadingHTTPServer):
    """Stands where the gateway and the monitor of a yard stand."""

    daemon_threads = True

    def __init__(self, port):
        super().__init__(("127.0.0.1", port), Handler)
        self.requests, self.truths, self.answer, self.lock = [], [], lambda number: 200, threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            if self.path == "/truth":
                self.server.truths.append((self.headers["Authorization"], body["truths"]))
                return self.tell(200, {"accepted": len(body["truths"])})
            number = len(self.server.requests)
            self.server.requests.append((self.path, self.headers["Host"], self.headers["Ce-Id"], body["instances"]))
        answer = {"class": "early", "probabilities": {"early": 1.0}}
        return self.tell(self.server.answer(number), {"predictions": [answer] * len(body["instances"])})

    def do_GET(self):
        with self.server.lock:
            known = sum(len(truths) for _, truths in self.server.truths)
        of = {"namespace": "default", "inferenceservice": "flights", "model_version": "2"}
        self.tell(200, {"versions": [{**of, "truths": 1000 + known}]})

    def tell(self, code, held):
        body = json.dumps(held).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def pair_of_servers():
    """A server at the gateway's and one at the monitor's port of a block that is free."""
    first = claim_block()
    return first, Counting(first + PORTS["gateway"]), Counting(first + PORTS["monitor"])


@pytest.fixture
def place(tmp_path):
    """A yard's folder, and the two servers of its block."""
    first, gateway, monitor = pair_of_servers()
    write_record(tmp_path / "yard.json", YardRecord(1, "replaytest", "local", first, "3.11", ""))
    for server in (gateway, monitor):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield connect(tmp_path), gateway, monitor
    for server in (gateway, monitor):
        server.shutdown()
        server.server_close()


@pytest.fixture
def flights(tmp_path):
    """100 flights; each tenth has no truth."""
    path = tmp_path / "flights.ndjson"
    rows = [{"id": n, "features": {"n": n}, "truth": "early" if n % 10 else None} for n in range(100)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_each_flight_is_sent_once_under_a_ce_id_by_which_its_truth_is_told(place, flights, tmp_path):
    conn, gateway, monitor = place
    sent = send(conn, Order(flights, "july", rows=70, skip=15, follow=True), tmp_path)
    assert (sent.rows, sent.failures, sent.summary["requests"]) == (70, 0, 7)
    by_id = {identity: [row["n"] for row in rows] for _, _, identity, rows in gateway.requests}
    assert sorted(n for rows in by_id.values() for n in rows) == list(range(15, 85))
    assert {(path, host) for path, host, _, _ in gateway.requests} == {
        ("/v1/models/flights:predict", "flights.default.localhost")
    }
    assert all(identity.startswith("july-") for identity in by_id) and len(by_id) == 7
    truths = [truth for _, held in monitor.truths for truth in held]
    assert {token for token, _ in monitor.truths} == {f"Bearer {conn.credentials.monitor_token}"}
    assert sorted(by_id[truth["id"]][truth["row"]] for truth in truths) == [n for n in range(15, 85) if n % 10]
    assert sorted(map(json.dumps, truths)) == sorted(map(json.dumps, sent.truths()))
    assert sent.mix() == {"early": 1.0}


def test_answers_that_are_no_predictions_are_failures_and_their_truth_is_not_told(place, flights, tmp_path):
    conn, gateway, monitor = place
    gateway.answer = lambda number: 503 if number == 3 else 200
    sent = send(conn, Order(flights, "july", rows=100, follow=True), tmp_path)
    assert (sent.rows, sent.failures, sent.summary["requests"]) == (90, 1, 10)
    assert sent.summary["first_failure"].startswith("status 503")
    told = {truth["id"] for _, held in monitor.truths for truth in held}
    assert len(told) == 9 and gateway.requests[3][2] not in told


def test_a_replay_ends_when_the_monitor_has_truths_enough_of_a_version(place, flights, tmp_path):
    conn, gateway, _ = place
    many = tmp_path / "many.ndjson"
    many.write_text(flights.read_text() * 500)
    sent = send(conn, Order(many, "august", rows=50_000, follow=True, until_truths=50, version="2"), tmp_path)
    assert sent.failures == 0
    assert 50 <= sent.summary["version_truths"] < 45_000
    assert sent.rows == 10 * len(gateway.requests) < 50_000


def test_without_a_monitor_the_replay_ends_and_says_why(place, flights, tmp_path):
    conn, _, monitor = place
    monitor.shutdown()
    monitor.server_close()
    sent = send(conn, Order(flights, "august", rows=100, follow=True, until_truths=50, version="2"), tmp_path)
    assert "Connect" in sent.summary["truth_failure"]


def test_another_machine_is_never_loaded(place, flights, tmp_path):
    conn, gateway, _ = place
    argv = command_of(conn, Order(flights, "july", rows=10), tmp_path / "answers.ndjson")
    argv[argv.index("--host") + 1] = "http://10.0.0.1:80"
    environment = {**os.environ, "MODELYARD_FOLDER": str(conn.layout.folder)}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "10.0.0.1:80 is not on this machine" in done.stderr
    assert gateway.requests == []


def test_a_file_that_is_not_there_is_an_error_with_the_end_of_the_log(place, tmp_path):
    with pytest.raises(CommandFailed) as error:
        send(place[0], Order(tmp_path / "nothing.ndjson", "july", rows=10), tmp_path / "log")
    assert "nothing.ndjson" in error.value.detail


def test_no_secret_is_on_the_command_line(place, flights, tmp_path):
    conn = place[0]
    line = " ".join(command_of(conn, Order(flights, "july", rows=10, follow=True), tmp_path / "a"))
    assert conn.credentials.monitor_token not in line and conn.credentials.monitor_path not in line


def test_a_replay_ends_when_whoever_wanted_it_is_killed(place, flights, tmp_path):
    conn, gateway, _ = place
    many = tmp_path / "many.ndjson"
    many.write_text(flights.read_text() * 5000)
    program = (
        "from pathlib import Path; from modelyard.connections import connect; from modelyard.story.locust import *\n"
        f"send(connect(Path({str(conn.layout.folder)!r})), Order(Path({str(many)!r}), 'x', rows=500000), "
        f"Path({str(tmp_path)!r}))"
    )
    wanting = subprocess.Popen([sys.executable, "-c", program])
    try:
        wait_until(lambda: gateway.requests, what="the first request", deadline_s=30)
        locust = psutil.Process(wanting.pid).children()
        assert len(locust) == 1
    finally:
        wanting.send_signal(signal.SIGKILL)
        wanting.wait()
    _, alive = psutil.wait_procs(locust, timeout=20)
    assert alive == []
