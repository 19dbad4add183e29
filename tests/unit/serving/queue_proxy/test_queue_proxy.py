"""The queue-proxy's ASGI side without a socket, and its series against those recorded on a cluster."""

import asyncio
import json
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from modelyard.serving.queue_proxy.app import QueueProxy
from modelyard.serving.queue_proxy.counts import Breaker, Turns
from modelyard.serving.queue_proxy.metrics import QueueProxyMetrics, Target

TARGET = Target(
    "demo", "iris-predictor-00001-deployment-64f87fd7b5-647dg", "iris-predictor", "iris-predictor-00001", 8012
)
RECORDED = Path(__file__).parents[1] / "recorded" / "queue-proxy-9091.txt"


class Model:
    """An ASGI application that answers when it is told to."""

    def __init__(self):
        self.asked = []
        self.may_answer = asyncio.Event()

    async def __call__(self, scope, receive, send):
        self.asked.append(scope["path"])
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"12345"})


class Client:
    """A proxy with a model behind it."""

    def __init__(self, *, limit=0, timeout_s=60.0):
        self.model = Model()
        breaker = Breaker(limit) if limit else None
        self.metrics = QueueProxyMetrics(TARGET, (lambda: breaker.active + breaker.queued) if breaker else None)
        self.proxy = QueueProxy(self.model, self.metrics, breaker, timeout_s, Turns())

    def begin(self, path="/v1/models/iris:predict", **headers):
        return asyncio.create_task(self.ask(path, **headers))

    async def ask(self, path="/v1/models/iris:predict", **headers):
        told = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "method": "POST", "path": path, "headers": told}
        parts = []

        async def send(message):
            parts.append(message)

        await self.proxy(scope, None, send)
        return parts[0]["status"], b"".join(part.get("body", b"") for part in parts)

    async def stat(self):
        return json.loads((await self.ask("/queue-proxy/stat"))[1])

    def series(self):
        registry = CollectorRegistry()
        registry.register(self.metrics)
        return {family.name: family for family in text_string_to_metric_families(generate_latest(registry).decode())}


def running(scenario):
    def test(*args):
        asyncio.run(asyncio.wait_for(scenario(*args), 10))

    test.__name__, test.__doc__ = scenario.__name__, scenario.__doc__
    return test


async def settled():
    for _ in range(10):
        await asyncio.sleep(0)


@running
async def test_requests_are_counted_while_they_are_in_flight():
    client = Client()
    plain, proxied = client.begin(), client.begin(k_proxy_request="activator")
    await settled()
    told = await client.stat()
    assert (told["active"], told["queued"], told["requests"], told["proxied_requests"]) == (2, 0, 2, 1)
    client.model.may_answer.set()
    assert await plain == await proxied == (200, b"12345")
    assert (await client.stat())["active"] == 0


@running
async def test_probes_scrapes_and_statistics_are_not_counted_and_do_not_wait():
    client = Client(limit=1)
    filling = [client.begin() for _ in range(11)]
    await settled()
    client.model.may_answer.set()
    before = await client.stat()
    assert (await client.ask("/v2/models/iris/ready", k_network_probe="queue"))[0] == 200
    assert (await client.ask("/metrics"))[0] == 200
    assert before["requests"] == (await client.stat())["requests"] == 11
    await asyncio.gather(*filling)


@running
async def test_the_activators_probe_is_answered_here_and_says_when_the_replica_drains():
    client = Client()
    assert await client.ask("/", k_network_probe="queue") == (200, b"queue")
    client.proxy.draining = True
    assert await client.ask("/", k_network_probe="queue") == (503, b"shutting down")
    assert client.model.asked == []


@running
async def test_what_finds_the_queue_full_gets_503_in_upstreams_words():
    client = Client(limit=1)
    inside = [client.begin() for _ in range(11)]
    await settled()
    told = await client.stat()
    assert (told["active"], told["queued"]) == (1, 10)
    assert await client.ask() == (503, b"pending request queue full\n")
    assert client.series()["kn_serving_queue_depth"].samples[0].value == 11
    client.model.may_answer.set()
    assert {status for status, _ in await asyncio.gather(*inside)} == {200}


@running
async def test_what_takes_too_long_gets_504_in_upstreams_words():
    client = Client(timeout_s=0.02)
    assert await client.ask() == (504, b"request timeout")
    told = await client.stat()
    assert told["active"] == 0
    assert told["concurrency_s"] >= 0.02


@running
async def test_a_model_that_raises_is_counted_as_500_and_leaves_its_place():
    client = Client(limit=1)

    async def broken(scope, receive, send):
        raise KeyError("x")

    client.proxy._app = broken
    for _ in range(2):
        with pytest.raises(KeyError):
            await client.ask()
    assert (await client.stat())["active"] == 0
    (count,) = [
        s for s in client.series()["kn_serving_invocation_duration_seconds"].samples if s.name.endswith("_count")
    ]
    assert (count.labels["http_response_status_code"], count.value) == ("500", 2)


@running
async def test_series_have_the_names_labels_and_buckets_of_a_cluster():
    client = Client()
    client.model.may_answer.set()
    await client.ask(content_length="34")
    made = client.series()
    recorded = {f.name: f for f in text_string_to_metric_families(RECORDED.read_text())}
    assert made.keys() == recorded.keys()
    for name, family in recorded.items():
        assert (made[name].type, made[name].documentation) == (family.type, family.documentation)
        assert shape(made[name]) == shape(family), name


def shape(family):
    """Names, labels and bounds of a family; bounds as numbers, because Go and Python write them differently."""
    told = set()
    for sample in family.samples:
        labels = {
            n: v for n, v in sample.labels.items() if not n.startswith(("otel_", "telemetry_", "service_version"))
        }
        varying = {n: "" for n in ("server_address",) if n in labels}
        bound = {"le": str(float(labels["le"]))} if "le" in labels else {}
        told.add((sample.name, tuple(sorted({**labels, **varying, **bound}.items()))))
    return told


@running
async def test_sizes_and_times_fall_into_their_buckets():
    client = Client()
    client.model.may_answer.set()
    await client.ask(content_length="34")
    made = client.series()
    for name, size in (("http_server_request_body_size_bytes", 34), ("http_server_response_body_size_bytes", 5)):
        buckets = {float(s.labels["le"]): s.value for s in made[name].samples if s.name.endswith("_bucket")}
        assert {bound: count for bound, count in buckets.items() if bound < size} == {
            bound: 0 for bound in buckets if bound < size
        }
        assert buckets[50.0] == buckets[float("inf")] == 1
        assert [s.value for s in made[name].samples if s.name.endswith("_sum")] == [size]
