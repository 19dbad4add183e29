"""The Locust side of a load test as a process, against a small server that counts what it is sent."""

import json
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest

from modelyard.errors import CommandFailed
from modelyard.load.measures import read_requests
from modelyard.load.process import Locust, environment_of, locust_argv
from modelyard.load.running import locustfile
from modelyard.waiting import wait_until


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.seen.append((self.path, self.headers["Host"]))
            code, answer = self.server.answer(len(self.server.seen))
        told = json.dumps({"predictions": [answer] * len(body["instances"])}).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    held = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    held.daemon_threads = True
    held.seen, held.lock, held.answer = [], threading.Lock(), lambda number: (200, "stable")
    threading.Thread(target=held.serve_forever, daemon=True).start()
    yield held
    held.shutdown()
    held.server_close()


@pytest.fixture
def argv(server, tmp_path):
    """The command line of the canary's Locust file; further options can be added."""
    host = f"http://127.0.0.1:{server.server_port}"
    options = ("--inferenceservice", "m", "--hostname", "m.default.localhost", "--think", "0.2", "--cued")
    return locust_argv(
        locustfile("canary"),
        "--host",
        host,
        "--requests",
        str(tmp_path / "requests.csv"),
        "--stop-timeout",
        "5",
        *options,
    )


@pytest.fixture
def locust(argv, tmp_path):
    return lambda *more: Locust([*argv, *more], tmp_path / "locust.log", environment_of(tmp_path))


def test_there_are_as_many_users_as_asked_for_until_so_many_requests_were_sent_and_written_down(
    locust, server, tmp_path
):
    server.answer = lambda number: (503, "") if number == 5 else (200, "stable" if number % 2 else "candidate")
    with locust("--limit", "60") as running:
        for users in (3, 0, 2):
            running.cue(users)
            wait_until(lambda: running.progress.get("users") == users, what=f"{users} users", deadline_s=60)  # noqa: B023
        running.wait(30)
    written = read_requests(tmp_path / "requests.csv")
    assert len(written) == len(server.seen) == running.summary["requests"] == 60
    assert set(server.seen) == {("/v1/models/m:predict", "m.default.localhost")}
    assert [request.status for request in written if request.failed] == [503]
    assert {request.answer for request in written} == {"stable", "candidate", ""}
    assert running.process.returncode == 0


def test_another_machine_is_never_loaded(locust, argv, tmp_path):
    argv[argv.index("--host") + 1] = "http://10.0.0.1:80"
    with pytest.raises(CommandFailed) as error, Locust(argv, tmp_path / "log", environment_of(tmp_path)) as running:
        running.wait(30)
    assert running.process.returncode == 2
    assert "10.0.0.1:80 is not on this machine" in error.value.detail


def test_it_ends_when_whoever_gives_the_cues_is_killed(argv, server, tmp_path):
    program = (
        "import time; from pathlib import Path; from modelyard.load.process import *\n"
        f"with Locust({argv!r}, Path({str(tmp_path / 'log')!r}), environment_of(Path({str(tmp_path)!r}))) as running:\n"
        "    running.cue(2)\n"
        "    running.process.wait()\n"
    )
    conductor = subprocess.Popen([sys.executable, "-c", program])
    try:
        wait_until(lambda: server.seen, what="the first request", deadline_s=30)
        children = psutil.Process(conductor.pid).children()
        assert len(children) == 1
    finally:
        conductor.send_signal(signal.SIGKILL)
        conductor.wait()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
