"""A real Prometheus and Alertmanager, started as in a yard, between an exposition of the test's and a webhook."""

import json
import os
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from claimed_ports import claim_block

from modelyard.connections import Connections
from modelyard.services import alertmanager, prometheus
from modelyard.services.service import Context
from modelyard.settings import Settings, load_settings
from modelyard.toolbox import Toolbox
from modelyard.waiting import wait_until
from modelyard.yard.credentials import load_credentials
from modelyard.yard.layout import Layout

ENVOY = (Path(__file__).parents[1] / "recordings" / "envoy-stats.txt").read_text("utf-8")
"""What an Envoy of Knative's told of an InferenceService demo/iris during a canary."""


class Monitor(ThreadingHTTPServer):
    """Says what the test wants of it at /metrics, and keeps what Alertmanager posts with the right token."""

    def __init__(self, port, token):
        self.told = ""
        self.token = token
        self.received = []
        super().__init__(("127.0.0.1", port), Answer)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def alerts(self, status):
        """Of each notice with that status: when it came, and the labels of its alerts."""
        return [
            (came, alert["labels"], notice["groupLabels"])
            for came, notice in self.received
            for alert in notice["alerts"]
            if alert["status"] == status
        ]


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self._send(200, (ENVOY if self.path == "/stats/prometheus" else self.server.told).encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers["authorization"] != f"Bearer {self.server.token}":
            return self._send(401, b"")
        self.server.received.append((time.monotonic(), json.loads(body)))
        return self._send(200, b"")

    def _send(self, status, body):
        self.send_response(status)
        self.send_header("content-type", "text/plain; charset=UTF-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def start(service, context):
    told = service.SERVICE.process(context)
    for folder in told.folders:
        folder.mkdir(parents=True, exist_ok=True)
    for path, text in told.files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    log = context.conn.layout.folder / f"{service.SERVICE.name}.log"
    with log.open("w") as out:
        environment = {**os.environ, **told.env}
        folder = told.folder or context.conn.layout.folder
        process = subprocess.Popen(told.argv, env=environment, cwd=folder, stdout=out, stderr=out)

    def answers():
        assert process.poll() is None, log.read_text("utf-8")
        try:
            service.SERVICE.probe(context.conn)
        except (httpx.HTTPError, ValueError) as error:
            raise LookupError(str(error)) from error
        return True

    wait_until(answers, what=service.SERVICE.name, deadline_s=30)
    return process


@pytest.fixture(scope="module")
def conn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a yard's place")
    layout = Layout(folder, "0123456789abcdef")
    layout.tls.mkdir()
    return Connections(
        layout=layout,
        name="rules",
        substrate="local",
        domain="localhost",
        kubeconfig=layout.kubeconfig,
        first_port=claim_block(),
        credentials=load_credentials(layout.secrets),
    )


@pytest.fixture(scope="module")
def start_service():
    """Starts a service as a yard does; all are ended, the last one first."""
    processes = []

    def run(service, context):
        processes.append(start(service, context))

    yield run
    for process in reversed(processes):
        process.terminate()
    for process in processes:
        process.wait(timeout=20)


@pytest.fixture(scope="module")
def monitor(conn, start_service):
    monitor = Monitor(conn.port("monitor"), conn.credentials.monitor_token)
    envoy = Monitor(conn.port("envoy_stats"), "")
    context = Context(conn, Settings(scrape_interval_s=1), Toolbox(load_settings().cache_dir))
    start_service(alertmanager, context)
    start_service(prometheus, context)
    yield monitor
    for server in (monitor, envoy):
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def ask(conn, monitor):
    def query(promql):
        answer = httpx.get(f"{conn.address('prometheus')}/api/v1/query", params={"query": promql}, timeout=10)
        held = answer.json()
        assert held["status"] == "success", (promql, held)
        return held["data"]["result"]

    return query
