"""The payload logger against a small receiver of CloudEvents; the recorded agent is in the unit tests."""

import json
import uuid

import httpx
import pytest

from modelyard.waiting import wait_until

VERSION, RUN = "modelyard.dev/model-version", "modelyard.dev/run-id"


@pytest.fixture
def logged(runtime, deployed, receiver):
    logger = {"mode": "all", "url": receiver.url, "metadataAnnotations": [VERSION, RUN]}
    deployed("flights", "one", annotations={VERSION: "3", RUN: "r9"}, logger=logger)
    return receiver


def arrived(receiver, count):
    wait_until(lambda: len(receiver.events) >= count, what=f"{count} events", deadline_s=60)
    return receiver.events


def by_type(events, kind):
    return [event for event in events if event[0]["Ce-Type"].endswith(kind)]


def test_each_prediction_is_a_pair_of_events_with_the_clients_id(runtime, logged):
    body = runtime.models["one"].body
    answer = runtime.ask("flights", body, headers={"Ce-Id": "7-3"})
    events = arrived(logged, 2)
    (asked,), (answered,) = by_type(events, "request"), by_type(events, "response")
    assert json.loads(asked[1]) == body
    assert answered[1] == answer.content
    for headers, _ in (asked, answered):
        assert headers["Ce-Id"] == "7-3"
        assert json.loads(headers["Ce-Annotations"]) == {VERSION: "3", RUN: "r9"}
        assert headers["Content-Type"] == "application/json"
        assert (headers["Ce-Inferenceservicename"], headers["Ce-Namespace"]) == ("flights", "default")


def test_an_error_has_no_response_event_and_gets_an_id(runtime, logged):
    assert runtime.ask("flights", {"instances": [{}]}).status_code == 400
    assert runtime.ask("flights", runtime.models["one"].body).status_code == 200
    events = arrived(logged, 3)
    assert [len(by_type(events, "request")), len(by_type(events, "response"))] == [2, 1]
    assert len({uuid.UUID(headers["Ce-Id"]) for headers, _ in events}) == 2


def test_a_canary_and_the_stable_revision_keep_their_own_annotations(runtime, logged):
    patch = {
        "metadata": {"annotations": {VERSION: "4"}},
        "spec": {"predictor": {"canaryTrafficPercent": 50, "model": {"storageUri": runtime.models["two"].uri}}},
    }
    runtime.services.patch("flights", patch)
    runtime.services.wait_ready("flights", generation=2, deadline_s=30)
    for number in range(30):
        runtime.ask("flights", runtime.models["one"].body, headers={"Ce-Id": f"c{number}"})
    events = [event for event in arrived(logged, 60) if event[0]["Ce-Id"].startswith("c")]
    versions = [json.loads(headers["Ce-Annotations"])[VERSION] for headers, _ in by_type(events, "response")]
    assert len(versions) == 30
    assert set(versions) == {"3", "4"}


def test_nothing_is_lost_while_the_receiver_answers(runtime, logged, under_traffic):
    with under_traffic("flights", "one") as seen:
        wait_until(lambda: len(seen) >= 300, what="300 requests", deadline_s=60)
    arrived(logged, 2 * len(seen))
    assert len(logged.events) == 2 * len(seen)


def test_a_receiver_that_is_away_harms_no_request_and_the_loss_is_counted(runtime, logged, under_traffic):
    logged.stop()
    with under_traffic("flights", "one") as seen:
        wait_until(lambda: len(seen) >= 300, what="300 requests", deadline_s=60)
    assert set(seen) == {200}
    logged.start()
    # The queue is offered again as soon as the receiver is back: what it held is not lost.
    wait_until(lambda: len(logged.events) >= 50, what="the events that were queued", deadline_s=60)
    (replica,) = runtime.replicas("flights-predictor-00001")

    def settled():
        held = outcomes(replica)
        return held if sum(held.values()) >= 2 * len(seen) else None

    counted = wait_until(settled, what="every event to be accounted for", deadline_s=60)
    assert sum(counted.values()) == 2 * len(seen)
    assert counted["dropped"] + counted.get("lost", 0) > 0
    assert counted["sent"] == len(logged.events)


def outcomes(replica):
    lines = httpx.get(f"{replica.address}/metrics").text.splitlines()
    held = [line for line in lines if line.startswith("modelyard_payload_events_total{")]
    return {line.split('"')[1]: float(line.rsplit(" ", 1)[1]) for line in held}
