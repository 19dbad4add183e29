"""The monitor's HTTP API."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from modelyard.answers import as_json, refuse
from modelyard.monitor import posted
from modelyard.monitor.ingest import LARGEST_BODY_BYTES, App, Ingest, read_body
from modelyard.monitor.metrics import InTraffic, read_backlog
from modelyard.monitor.pages import render_index
from modelyard.monitor.queries import Reader
from modelyard.monitor.status import describe_status
from modelyard.monitor.store import Store
from modelyard.monitor.writer import Writer

HEALTH_DEADLINE_S = 3.0
MOST_ROWS = 1_000_000
FILTERS = ("namespace", "inferenceservice", "model_version")


@dataclass(frozen=True)
class Monitor:
    """What the endpoints need; `event_path` and `token` are the yard's credentials."""

    writer: Writer
    reader: Reader
    registry: CollectorRegistry
    in_traffic: InTraffic
    reports: Path
    event_path: str
    token: str


class Endpoints:
    """One method a route."""

    def __init__(self, monitor: Monitor) -> None:
        self._m = monitor

    async def _commit(self, change: Callable[[Store], Any], answer: Callable[[Any], Response]) -> Response:
        try:
            return answer(await self._m.writer.commit(change))
        except sqlite3.Error as error:
            return refuse(503, f"not kept: {error}")

    async def _post(
        self,
        request: Request,
        read: Callable[[bytes], Any],
        change: Callable[[Store, Any, float], Any],
        told: Callable[[Any], Any],
    ) -> Response:
        sent = request.headers.get("authorization", "").encode()
        if not secrets.compare_digest(sent, f"Bearer {self._m.token}".encode()):
            return refuse(401, "Authorization: Bearer with the monitor's token is missing or wrong")
        body = await read_body(request.receive)
        if body is None:
            return refuse(413, f"a body may have {LARGEST_BODY_BYTES} bytes")
        try:
            held = read(body)
        except posted.PostInvalid as error:
            return refuse(422, str(error))
        now = time.time()
        return await self._commit(lambda store: change(store, held, now), lambda result: as_json(told(result)))

    async def truth(self, request: Request) -> Response:
        """Ground truth by (Ce-Id, row); `accepted` are durable now, told before or not."""

        def keep(store: Store, truths: list[tuple[str, int, str]], now: float) -> dict[str, int]:
            return {"accepted": len(truths), "new": store.add_truths(truths, now)}

        return await self._post(request, posted.read_truths, keep, lambda result: result)

    async def phase(self, request: Request) -> Response:
        """A phase begins: windows that are not full are dropped."""

        def keep(store: Store, held: tuple[str, str, str], now: float) -> int:
            return store.add_phase(*held, now)

        return await self._post(request, posted.read_phase, keep, lambda dropped: {"windows_dropped": dropped})

    async def add_alerts(self, request: Request) -> Response:
        """Alertmanager's webhook."""

        def keep(store: Store, alerts: list[dict[str, Any]], now: float) -> int:
            return store.add_alerts(alerts, now)

        return await self._post(request, posted.read_alerts, keep, lambda added: {"added": added})

    async def alerts(self, request: Request) -> Response:
        """The history of alerts, oldest first."""
        return as_json({"alerts": await asyncio.to_thread(self._m.reader.alerts)})

    async def status(self, request: Request) -> Response:
        """Backlog and versions."""
        return as_json(await asyncio.to_thread(self._status))

    def _status(self) -> dict[str, Any]:
        backlog = read_backlog(self._m.reader, self._m.writer.backlog)
        return describe_status(self._m.reader.versions(), backlog, self._m.in_traffic)

    async def windows(self, request: Request) -> Response:
        """Windows that are judged (or of the `state` asked for: waiting, failed, any), oldest first."""
        asked = {name: request.query_params.get(name, "") for name in FILTERS}
        kind, state = request.query_params.get("kind", ""), request.query_params.get("state", "done")
        if kind not in ("", "drift", "quality"):
            return refuse(422, f"kind is {kind!r}: must be drift or quality")
        if state not in ("done", "waiting", "failed", "any"):
            return refuse(422, f"state is {state!r}: must be done, waiting, failed or any")
        state = "" if state == "any" else state
        held = await asyncio.to_thread(lambda: self._m.reader.windows(kind=kind, state=state, **asked))
        return as_json({"windows": held})

    async def rows(self, request: Request) -> Response:
        """Rows of pairs as NDJSON, in the durable order."""
        asked = {name: request.query_params.get(name, "") for name in FILTERS}
        try:
            after = int(request.query_params.get("after", "0"))
            limit = min(int(request.query_params.get("limit", str(MOST_ROWS))), MOST_ROWS)
        except ValueError as error:
            return refuse(422, f"after and limit are whole numbers: {error}")
        lines = self._m.reader.rows(after=after, limit=limit, **asked)
        return StreamingResponse(lines, media_type="application/x-ndjson")

    async def metrics(self, request: Request) -> Response:
        """Prometheus metrics."""
        text = await asyncio.to_thread(generate_latest, self._m.registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    async def healthz(self, request: Request) -> Response:
        """200 only when the store took a write just now."""
        try:
            await asyncio.wait_for(self._m.writer.commit(lambda store: store.ping()), HEALTH_DEADLINE_S)
        except (sqlite3.Error, TimeoutError) as error:
            return PlainTextResponse(f"the store takes no writes: {type(error).__name__} {error}\n", 503)
        return PlainTextResponse("ok\n")

    async def index(self, request: Request) -> Response:
        """The page for people."""
        return HTMLResponse(await asyncio.to_thread(self._index))

    def _index(self) -> str:
        reader = self._m.reader
        return render_index(self._status(), reader.windows(state=""), reader.alerts())


def create_app(monitor: Monitor, **options: Any) -> App:
    """The ASGI app, the events' endpoint in front; `options` go to Starlette (lifespan)."""
    endpoints = Endpoints(monitor)
    monitor.reports.mkdir(parents=True, exist_ok=True)
    others = Starlette(
        routes=[
            Route("/truth", endpoints.truth, methods=["POST"]),
            Route("/phase", endpoints.phase, methods=["POST"]),
            Route("/alerts", endpoints.add_alerts, methods=["POST"]),
            Route("/alerts", endpoints.alerts, methods=["GET"]),
            Route("/status", endpoints.status),
            Route("/windows", endpoints.windows),
            Route("/rows", endpoints.rows),
            Route("/metrics", endpoints.metrics),
            Route("/healthz", endpoints.healthz),
            Route("/", endpoints.index),
            Mount("/reports", StaticFiles(directory=monitor.reports)),
        ],
        **options,
    )
    return Ingest(others, monitor.writer, monitor.event_path)
