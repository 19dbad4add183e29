"""What a real gateway, autoscaler, replicas and board tell, through the rules, to the dashboards' panels."""

import statistics
import time

import httpx
import pytest

from dashboards.queries import JSON_FOLDER, panel_queries
from loadtests.benchmarks import iris
from modelyard.settings import load_settings
from modelyard.testing import running_yard
from modelyard.waiting import wait_until

pytestmark = pytest.mark.timeout(420)
"""The first test waits for a yard, which takes minutes on a busy machine."""
OF_MODELS = {"Which model answers, and how well does it do?"}
"""Panels of versions out of the registry: the InferenceService here has a model of its own."""


@pytest.fixture(scope="module")
def yard(tmp_path_factory):
    folder = tmp_path_factory.mktemp("live")
    settings = {"cache_dir": load_settings().cache_dir, "scrape_interval_s": 1, "up_deadline_s": 270.0}
    with running_yard(folder, **settings) as held:
        iris.deploy(held.conn, is_logged=True)
        yield held


class Caller:
    """Sends requests, and keeps how long each took as its client saw it."""

    def __init__(self, client):
        self._client = client
        self.took_s = []

    def ask(self, times):
        for _ in range(times):
            began = time.perf_counter()
            assert self._client.post(iris.PATH, content=iris.BODY, timeout=30).status_code == 200
            self.took_s.append(time.perf_counter() - began)


@pytest.fixture(scope="module")
def caller(yard):
    """A caller whose first requests Prometheus has seen at the gateway and at the replica."""
    conn = yard.conn
    with httpx.Client(base_url=conn.gateway, headers={"Host": conn.host(iris.NAME, "default")}) as client:
        caller = Caller(client)

        def asked_and_measured():
            caller.ask(20)
            return yard.metrics("modelyard:predict_seconds:p95 and modelyard:latency_seconds:p50")

        wait_until(asked_and_measured, what="the replica's and the gateway's time", deadline_s=60, interval_s=0.5)
        yield caller


@pytest.fixture(scope="module")
def seen_s(caller):
    return caller.took_s


@pytest.mark.parametrize(
    ("dashboard", "silent"),
    [
        ("overview", OF_MODELS | {"What fired, and when?"}),
        ("service", set()),
        # There is no drift report here: no version of the registry answers.
        ("platform", {"How long does a drift report take?"}),
        # The InferenceService is scaled by concurrency, as it is where nobody says else.
        ("autoscaling", {"Are there more requests a second than they are meant for?"}),
    ],
)
def test_every_panel_shows_something(yard, caller, dashboard, silent):
    queries = panel_queries(JSON_FOLDER / f"{dashboard}.json", inferenceservice=iris.NAME, namespace="default")
    asked = [(title, promql) for title, promql in queries if title not in silent]
    assert silent <= {title for title, _ in queries}
    empty = []

    def all_answer():
        caller.ask(1)  # how long callers wait is known only while somebody calls
        empty[:] = [title for title, promql in asked if not yard.metrics(promql)]
        return not empty

    wait_until(all_answer, what="every panel", deadline_s=30, last_answer=lambda: f"empty: {empty}")


def test_the_gateways_time_is_a_part_of_what_its_client_saw_and_the_models_a_part_of_that(yard, seen_s):
    (median,) = yard.metrics("last_over_time(modelyard:latency_seconds:p50[2m])")
    (slow,) = yard.metrics("last_over_time(modelyard:latency_seconds:p99[2m])")
    assert median.labels["revision"] == "iris-predictor-00001"
    assert 0 < median.value <= statistics.median(seen_s)
    assert median.value <= slow.value <= max(seen_s) * 1.25  # a bound of a bucket lies at most that much above a value


def test_services_and_replicas_are_counted_as_they_are(yard, seen_s):
    up = {sample.labels["service"]: sample.value for sample in yard.metrics("modelyard:service_up")}
    told = ("prometheus", "alertmanager", "monitor", "board", "envoy", "activator", "serving")
    assert up == dict.fromkeys(told, 1)
    ready = {sample.labels["service"]: sample.value for sample in yard.metrics("modelyard:service_ready")}
    assert ready == dict.fromkeys((*told, "mlflow", "objectstore", "replicas"), 1)
    for series in ("modelyard:memory_bytes", "modelyard:cpu_cores:rate", "modelyard:service_restarts"):
        assert {sample.labels["service"] for sample in yard.metrics(series)} == set(ready)
    assert [sample.value for sample in yard.metrics("modelyard:replicas_ready")] == [1]
    assert [sample.value for sample in yard.metrics("modelyard:traffic_target_ratio")] == [1]


def test_the_autoscaler_tells_what_it_saw_and_what_it_wants(yard, seen_s):
    def told(series):
        (sample,) = yard.metrics(series)
        assert sample.labels["revision"] == "iris-predictor-00001"
        return sample.value

    assert told("modelyard:replicas_requested") == 1
    assert told("modelyard:concurrency_target") == 70
    assert told("modelyard:panic") == 0
    # one client, so at most one request in flight, and some of it in the last minute
    assert 0 < told("modelyard:concurrency:stable") <= 1
    assert told("modelyard:replicas_desired") == 1
    assert told("modelyard:requests_queued") == told("modelyard:requests_stranded") == 0
    assert 100 - 211 - 1 <= told("modelyard:burst_capacity") <= 100 - 211


def test_no_request_failed_and_no_event_was_lost(yard, seen_s):
    assert [sample.value for sample in yard.metrics("modelyard:errors:rate")] == [0]
    assert [sample.value for sample in yard.metrics("modelyard:payload_lost_ratio")] == [0]
