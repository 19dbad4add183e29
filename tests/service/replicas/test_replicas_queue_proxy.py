"""The queue-proxy of a real replica: what it says is in flight is what its clients waited for."""

import asyncio
import json
import os
import random
import signal
import threading
import time

import httpx
import pytest

from modelyard.waiting import wait_until

BURSTS, SIZE, SPREAD_S = 12, 12, 0.05
PREDICTION_MS = 60


class Client:
    """Kept connections to one replica that note when each request was sent and answered, at little cost."""

    def __init__(self, record):
        self.record = record
        self.spent_s = 0.0

    async def __aenter__(self):
        made = (asyncio.open_connection("127.0.0.1", self.record.port) for _ in range(SIZE))
        self.streams = await asyncio.gather(*made)
        return self

    async def __aexit__(self, *_):
        for _, writer in self.streams:
            writer.close()

    async def predict(self, number, milliseconds, wait_s):
        reader, writer = self.streams[number]
        body = json.dumps({"instances": [[milliseconds]]}).encode()
        head = f"POST /v1/models/spinner:predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        await asyncio.sleep(wait_s)
        sent = time.monotonic()
        writer.write(head.encode() + body)
        assert b" 200 " in await reader.readline()
        length = 0
        while (line := await reader.readline()) != b"\r\n":
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        await reader.readexactly(length)
        self.spent_s += time.monotonic() - sent


def stat_of(record):
    return httpx.get(f"{record.address}/queue-proxy/stat").raise_for_status().json()


def test_concurrency_under_bursts_is_within_5_percent_of_what_clients_waited(fleet):
    record, drawn = fleet.start("spinner"), random.Random(13)

    async def run():
        async with Client(record) as client:
            before = await asyncio.to_thread(stat_of, record)
            for _ in range(BURSTS):
                size = drawn.randint(2, SIZE)
                waits = [drawn.random() * SPREAD_S for _ in range(size)]
                await asyncio.gather(*(client.predict(n, PREDICTION_MS, wait) for n, wait in enumerate(waits)))
            after = await asyncio.to_thread(stat_of, record)
        return before, after, client.spent_s

    before, after, spent_s = asyncio.run(run())
    seconds = after["monotonic_s"] - before["monotonic_s"]
    measured, truth = (after["concurrency_s"] - before["concurrency_s"]) / seconds, spent_s / seconds
    print(f"concurrency {measured:.3f}, truth {truth:.3f}, {after['requests'] - before['requests']} requests")
    assert truth > 2
    assert measured == pytest.approx(truth, rel=0.05)


def test_a_slow_prediction_keeps_nobody_from_reading_statistics(fleet, predict):
    fleet.hold()
    record, answers = fleet.start("holder"), []
    asked = threading.Thread(target=lambda: answers.append(predict(record, [[7]])))
    asked.start()
    try:
        wait_until(lambda: stat_of(record)["active"] == 1, what="the prediction to begin", deadline_s=30)
        assert httpx.get(record.address, headers={"K-Network-Probe": "queue"}).text == "queue"
        assert stat_of(record)["active"] == 1, "the prediction was still under way"
    finally:
        fleet.let_go()
        asked.join()
    assert [answer.json() for answer in answers] == [{"predictions": [[7]]}]


def test_beyond_the_queue_requests_are_refused_and_the_others_are_answered(fleet):
    record = fleet.start("spinner", container_concurrency=1)

    async def run():
        limits = httpx.Limits(max_connections=20)
        async with httpx.AsyncClient(base_url=record.address, timeout=30, limits=limits) as client:
            ask = [client.post("/v1/models/spinner:predict", json={"instances": [[100]]}) for _ in range(15)]
            return [(answer.status_code, answer.text) for answer in await asyncio.gather(*ask)]

    answers = asyncio.run(run())
    refused = [text for status, text in answers if status == 503]
    assert sorted({status for status, _ in answers}) == [200, 503]
    assert len(refused) == 15 - 11
    assert set(refused) == {"pending request queue full\n"}


def test_a_request_that_takes_too_long_is_answered_504_and_the_replica_serves_on(fleet, predict):
    record = fleet.start("spinner", timeout_s=1)
    late = predict(record, [[2000]])
    assert (late.status_code, late.text) == (504, "request timeout")
    wait_until(lambda: stat_of(record)["active"] == 0, what="the request to be over", deadline_s=60)
    wait_until(lambda: predict(record, [[0]]).status_code == 200, what="the next answer", deadline_s=60)


def test_requests_under_way_are_answered_before_a_replica_ends(fleet, predict):
    fleet.hold()
    record, answers = fleet.start("holder"), []
    asked = [threading.Thread(target=lambda: answers.append(predict(record, [[0]]))) for _ in range(5)]
    *early, late = asked
    try:
        for one in early:
            one.start()
        wait_until(lambda: stat_of(record)["active"] == 4, what="four requests", deadline_s=30)
        os.kill(record.pid, signal.SIGTERM)
        # Whoever has not heard of the end yet is answered too.
        late.start()
        wait_until(lambda: stat_of(record)["active"] == 5, what="the late one", deadline_s=30)
    finally:
        fleet.let_go()
    for one in asked:
        one.join()
    assert [answer.status_code for answer in answers] == [200] * 5
    assert fleet.ended(record.name).exit_code == 0


def test_the_replica_tells_upstreams_series_beside_those_of_kserve(fleet, predict):
    record = fleet.start("spinner", container_concurrency=2)
    predict(record, [[0]])
    text = httpx.get(f"{record.address}/metrics").text
    for series in (
        'kn_serving_invocation_duration_seconds_count{http_response_status_code="200"} 1.0',
        "kn_serving_queue_depth 0.0",
        'http_server_request_duration_seconds_count{http_request_method="POST",http_response_status_code="200",',
        f'k8s_pod_name="{record.name}"',
        'request_predict_seconds_count{model_name="spinner"} 1.0',
    ):
        assert series in text
