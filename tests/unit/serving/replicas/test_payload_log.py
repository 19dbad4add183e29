"""The payload log's events against those recorded from KServe's agent, and its ASGI side without a socket."""

import asyncio
import json
from pathlib import Path

import pytest

from modelyard.serving.replicas.payload_log import LoggedBy, PayloadLog, event_headers, rfc3339

RECORDED = json.loads((Path(__file__).parents[1] / "recorded" / "payload-cloudevents.json").read_text())["events"]
TRANSPORT = {"Host", "User-Agent", "Content-Length", "Accept-Encoding"}
VARYING = {"Ce-Id", "Ce-Time", "Ce-Recordedtime"}
BY = LoggedBy("http://127.0.0.1:1/", "all", "iris", "demo", "http://localhost:9081/")


@pytest.mark.parametrize("number", range(len(RECORDED)))
def test_headers_are_those_of_the_recorded_agent(number):
    recorded = {k: v for k, v in RECORDED[number]["headers"].items() if k not in TRANSPORT}
    sent = {"content-type": recorded["Content-Type"]} if "Content-Type" in recorded else {}
    kind = recorded["Ce-Type"].rpartition(".")[2]
    made = event_headers(BY, kind, recorded["Ce-Id"], now=1.5, request_headers=sent)
    assert made.keys() == recorded.keys()
    assert {k: v for k, v in made.items() if k not in VARYING} == {
        k: v for k, v in recorded.items() if k not in VARYING
    }


def test_times_have_nine_digits_as_the_agents_have():
    assert rfc3339(1_764_000_000.25) == "2025-11-24T16:00:00.250000000Z"


def test_annotations_and_metadata_headers_are_json():
    by = LoggedBy("u", "all", "i", "n", "s", annotations={"modelyard.dev/run-id": "r"}, metadata_headers=("X-Team",))
    made = event_headers(by, "request", "1", now=0, request_headers={"x-team": "a"})
    assert json.loads(made["Ce-Annotations"]) == {"modelyard.dev/run-id": "r"}
    assert json.loads(made["Ce-Metadata"]) == {"X-Team": ["a"]}


async def answering(scope, receive, send):
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": scope["answer"], "headers": []})
    await send({"type": "http.response.body", "body": body[::-1], "more_body": False})


class Kept:
    def __init__(self):
        self.events = []

    async def room(self):
        pass

    def put(self, headers, body):
        self.events.append((headers["Ce-Type"].rpartition(".")[2], headers["Ce-Id"], body))


def logged(*, mode="all", status=200, headers=(), path="/v1/models/iris:predict"):
    log = PayloadLog(answering, LoggedBy("http://127.0.0.1:1/", mode, "iris", "demo", "s"))
    kept = Kept()
    log._log = (log._log[0], kept)
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"abc", "more_body": False}

    async def send(message):
        sent.append((message["type"], len(kept.events)))

    scope = {"type": "http", "path": path, "headers": list(headers), "answer": status}
    asyncio.run(log(scope, receive, send))
    return kept.events, sent


def test_the_pair_is_logged_after_the_answer_has_gone():
    events, sent = logged(headers=[(b"ce-id", b"5")])
    assert events == [("request", "5", b"abc"), ("response", "5", b"cba")]
    assert [queued for _, queued in sent] == [0, 0]


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        ({"mode": "request"}, ["request"]),
        ({"mode": "response"}, ["response"]),
        ({"status": 400}, ["request"]),
        ({"status": 201}, ["request"]),
        ({"path": "/metrics"}, []),
        ({"headers": [(b"k-network-probe", b"queue")]}, []),
    ],
)
def test_what_is_logged_by_mode_status_and_who_asks(options, kinds):
    assert [kind for kind, _, _ in logged(**options)[0]] == kinds
