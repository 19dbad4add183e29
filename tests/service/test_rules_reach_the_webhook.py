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

from dashboards.queries import dashboard_files, panel_queries
from modelyard.connections import Connections
from modelyard.services import alertmanager, prometheus
from modelyard.services.service import Context
from modelyard.settings import Settings, load_settings
from modelyard.toolbox import Toolbox
from modelyard.waiting import wait_until
from modelyard.yard.credentials import load_credentials
from modelyard.yard.layout import Layout

ENVOY = (Path(__file__).parent / "recordings" / "envoy-stats.txt").read_text("utf-8")
"""What an Envoy of Knative's told of an InferenceService demo/iris during a canary."""
VERSION = 'namespace="default",inferenceservice="flights",model_version="%s"'
DRIFT = "modelyard_monitor_drift_breaches_in_a_row{%s} %%d\n" % VERSION  # noqa: UP031
RECALL = 'modelyard_monitor_recall_breaches_in_a_row{%s,class="early"} %%d\n' % VERSION  # noqa: UP031


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
def monitor(conn):
    monitor = Monitor(conn.port("monitor"), conn.credentials.monitor_token)
    envoy = Monitor(conn.port("envoy_stats"), "")
    context = Context(conn, Settings(scrape_interval_s=1), Toolbox(load_settings().cache_dir))
    processes = []
    try:
        processes.append(start(alertmanager, context))
        processes.append(start(prometheus, context))
        yield monitor
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(timeout=20)
        for server in (monitor, envoy):
            server.shutdown()
            server.server_close()


@pytest.fixture
def ask(conn, monitor):
    def query(promql):
        answer = httpx.get(f"{conn.address('prometheus')}/api/v1/query", params={"query": promql}, timeout=10)
        held = answer.json()
        assert held["status"] == "success", (promql, held)
        return held["data"]["result"]

    return query


def test_the_gateways_clusters_become_revisions_and_the_rest_of_its_series_stays_away(ask):
    wait_until(lambda: ask("modelyard:replicas_ready"), what="the first evaluation", deadline_s=20)
    found = {held["metric"]["revision"]: held for held in ask("modelyard:replicas_ready")}
    assert {name: held["value"][1] for name, held in found.items()} == {
        "iris-predictor-00001": "1",
        "iris-predictor-00002": "1",
    }
    assert {(held["metric"]["namespace"], held["metric"]["inferenceservice"]) for held in found.values()} == {
        ("demo", "iris")
    }
    assert ask('envoy_cluster_upstream_rq_total{envoy_cluster_name="xds_cluster",revision=""}')
    assert not ask("envoy_cluster_bind_errors")


def test_prometheus_takes_every_panels_query(ask):
    queries = [
        found for path in dashboard_files() for found in panel_queries(path, inferenceservice="iris", namespace="demo")
    ]
    assert len(queries) > 30
    for _, promql in queries:
        ask(promql)


def test_an_alert_reaches_the_webhook_in_seconds_and_ends_when_its_version_leaves_the_traffic(monitor, ask):
    monitor.told = DRIFT % (1, 0) + RECALL % (1, 0)
    wait_until(lambda: ask("modelyard:drift_breaches_in_a_row == 0"), what="a healthy version", deadline_s=20)
    assert monitor.received == []

    breached = time.monotonic()
    monitor.told = DRIFT % (1, 1) + RECALL % (1, 2) + DRIFT % (2, 0)
    wait_until(lambda: len(monitor.alerts("firing")) >= 2, what="two alerts at the webhook", deadline_s=20)
    came, labels, group = next(found for found in monitor.alerts("firing") if found[1]["alertname"] == "InputDrift")
    # a scrape and an evaluation (1 s each here), group_wait 1 s, and room for a busy machine
    assert came - breached < 10
    assert labels == {
        "alertname": "InputDrift",
        "severity": "warning",
        "namespace": "default",
        "inferenceservice": "flights",
        "model_version": "1",
    }
    assert group == {"alertname": "InputDrift", "inferenceservice": "flights", "model_version": "1"}
    _, labels, _ = next(found for found in monitor.alerts("firing") if found[1]["alertname"] == "ClassRecallLow")
    assert labels["class"] == "early"

    left = time.monotonic()
    monitor.told = DRIFT % (2, 0)
    wait_until(lambda: len(monitor.alerts("resolved")) >= 2, what="two ends of alerts", deadline_s=20)
    ended = {labels["alertname"]: came for came, labels, _ in monitor.alerts("resolved")}
    assert set(ended) == {"InputDrift", "ClassRecallLow"}
    assert max(ended.values()) - left < 10
