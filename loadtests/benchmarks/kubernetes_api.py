"""The Kubernetes API with 1,000 InferenceServices: what a list and an event cost beside encoding the objects once.

In one process, without sockets and TLS: a request goes through the whole application, token and routes included.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message

from loadtests.benchmarks.figures import Figure, ratio_of_medians
from modelyard.serving.api import create_app
from modelyard.serving.api.query import WatchOptions
from modelyard.serving.api.representations import Encoder
from modelyard.serving.api.resources import INFERENCESERVICES
from modelyard.serving.api.selectors import Selection
from modelyard.serving.api.watch import Watched, stream
from modelyard.serving.store import Store

OBJECTS, WATCHERS, ROUNDS = 1000, 200, 9
AIM = 1.0
TOKEN = "token-of-the-benchmark"
PATH = "/apis/serving.kserve.io/v1beta1/namespaces/default/inferenceservices"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
CONDITIONS = ("IngressReady", "LatestDeploymentReady", "PredictorReady", "PredictorRouteReady", "Ready", "RoutesReady")

Object = dict[str, Any]


def measure() -> Figure:
    """List them as JSON and as a table, and tell one change to 200 watchers, beside json.dumps of the same objects."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "objects.db")
        app = create_app(store, token=TOKEN)
        for number in range(OBJECTS):
            fill(store, f"service-{number:04d}")
        objects = store.list("inferenceservices")[0]
        lists, tables, encodings = [], [], []
        for _ in range(ROUNDS):
            lists.append(timed_list(app, "application/json"))
            tables.append(timed_list(app, TABLE))
            began = time.process_time()
            json.dumps(objects)
            encodings.append(time.process_time() - began)
        events = asyncio.run(timed_events(store))
        store.close()
    return Figure(
        name="kubernetes_api",
        about=f"processor time of a list of {OBJECTS:,} InferenceServices / of json.dumps of them",
        value=ratio_of_medians(lists, encodings),
        unit="x",
        aim=AIM,
        at_most=True,
        rounds={
            "list, s": lists,
            "json.dumps, s": encodings,
            "list as table, s": tables,
            f"one change told to {WATCHERS} watchers, s": events,
        },
        notes="an event is encoded once for all watchers of one form",
    )


def fill(store: Store, name: str) -> None:
    """One InferenceService as it is when it serves."""
    model = {"modelFormat": {"name": "sklearn"}, "name": "", "resources": {}, "storageUri": f"s3://mlflow/{name}"}
    meta = {"name": name, "namespace": "default", "labels": {"team": "yard"}}
    obj = {"apiVersion": INFERENCESERVICES.api_version, "kind": "InferenceService", "metadata": meta}
    store.create("inferenceservices", {**obj, "spec": {"predictor": {"minReplicas": 1, "model": model}}})
    since = "2026-11-24T00:00:00Z"
    status = {
        "url": f"http://{name}.default.localhost:7600",
        "conditions": [{"type": kind, "status": "True", "lastTransitionTime": since} for kind in CONDITIONS],
        "components": {"predictor": {"traffic": [{"latestRevision": True, "percent": 100, "revisionName": name}]}},
    }
    store.update_status("inferenceservices", "default", name, status)


def timed_list(app: ASGIApp, accept: str) -> float:
    """Seconds of processor time of one list."""
    headers = [(b"authorization", f"Bearer {TOKEN}".encode()), (b"accept", accept.encode())]
    scope = {"type": "http", "method": "GET", "path": PATH, "query_string": b"", "headers": headers}
    scope |= {"http_version": "1.1", "scheme": "https", "server": ("127.0.0.1", 0), "root_path": ""}
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    began = time.process_time()
    asyncio.run(app(scope, receive, send))
    took = time.process_time() - began
    if sent[0]["status"] != 200 or len(sent[1]["body"]) < OBJECTS * 200:
        raise AssertionError(f"the list was answered with {sent[0]['status']} and {len(sent[1]['body'])} bytes")
    return took


async def timed_events(store: Store) -> list[float]:
    """Seconds of processor time until every watcher has the line of a change."""
    watched = Watched("inferenceservices", None, Selection(), Encoder(INFERENCESERVICES, "json"))
    options = WatchOptions(store.version, None, bookmarks=False, initial_events_end=False)
    streams: list[AsyncIterator[bytes]] = [stream(store, watched, options) for _ in range(WATCHERS)]
    found = []
    for number in range(ROUNDS):
        waiting = [asyncio.ensure_future(anext(lines)) for lines in streams]
        await asyncio.sleep(0)
        began = time.process_time()
        store.update_status("inferenceservices", "default", "service-0000", {"url": f"http://{number}"})
        lines = await asyncio.gather(*waiting)
        found.append(time.process_time() - began)
        if len(set(lines)) != 1:
            raise AssertionError("the watchers were told different things")
    for lines in streams:
        await lines.aclose()
    return found
