"""What Knative's queue-proxy does, inside the replica: counts what is in flight, bounds it, ends what takes too long.

Source: serving v0.50, pkg/queue (handler.go, breaker.go, sharedmain/handlers.go).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

import orjson
from prometheus_client import REGISTRY

from modelyard.serving.queue_proxy.arrivals import ARRIVED, SEEN, is_gone
from modelyard.serving.queue_proxy.counts import Breaker, Deadlines, InFlight, Turns
from modelyard.serving.queue_proxy.metrics import QueueProxyMetrics, Target

if TYPE_CHECKING:
    from modelyard.serving.replicas.records import ReplicaSpec

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Receive, Send], Awaitable[None]]

STAT_PATH, METRICS_PATH = "/queue-proxy/stat", "/metrics"
PROBE_HEADER, QUEUE = b"k-network-probe", b"queue"
PROXY_HEADER, ACTIVATOR = b"k-proxy-request", b"activator"
TEXT = b"text/plain; charset=utf-8"
QUEUE_FULL, TOOK_TOO_LONG = b"pending request queue full\n", b"request timeout"
"""Upstream's words."""
CLIENT_LEFT = 499
"""Status under which a request is counted whose client left before its turn came."""


class QueueProxy:
    """ASGI application around a model server.

    Args:
        app: the model server, or what stands before it.
        metrics: counts answers.
        breaker: bounds the requests in work; None where there is no bound.
        timeout_s: seconds after which a request without an answer is answered 504.
        turns: shared with whatever predicts.
    """

    def __init__(
        self, app: App, metrics: QueueProxyMetrics, breaker: Breaker | None, timeout_s: float, turns: Turns
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._breaker = breaker
        self._deadlines = Deadlines(timeout_s)
        self._turns = turns
        self.in_flight = InFlight(time.monotonic())
        self.draining = False
        self._last_at = 0.0

    def is_quiet(self, *, since: float) -> bool:
        """Whether nothing is in flight and nothing has been since then, in monotonic seconds."""
        return self.in_flight.active == 0 and self._last_at < since

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer a request; probes, scrapes and statistics are not counted and do not wait."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == STAT_PATH:
            await self._tell(send)
        else:
            headers = dict(scope["headers"])
            if headers.get(PROBE_HEADER) == QUEUE and scope["path"] == "/":
                await self._tell_ready(send)
            elif PROBE_HEADER in headers or scope["path"] == METRICS_PATH:
                await self._app(scope, receive, send)
            else:
                await self._counted(scope, headers, receive, send)

    async def _tell(self, send: Send) -> None:
        queued = self._breaker.queued if self._breaker else 0
        told = orjson.dumps(self.in_flight.read(time.monotonic(), queued=queued))
        await _answer(send, 200, told, b"application/json")

    async def _tell_ready(self, send: Send) -> None:
        # The model is loaded before anything listens, so whoever hears this has a replica that serves.
        status, told = (503, b"shutting down") if self.draining else (200, QUEUE)
        await _answer(send, status, told, TEXT)

    async def _counted(self, scope: Any, headers: dict[bytes, bytes], receive: Receive, send: Send) -> None:
        proxied = headers.get(PROXY_HEADER) == ACTIVATOR
        now = time.monotonic()
        arrived = scope.get(ARRIVED, now)
        self.in_flight.begin(now, proxied=proxied, late_s=now - arrived)
        task: Any = asyncio.current_task()
        self._deadlines.begin(task, now)
        answer = Answer(send)
        try:
            await self._bounded(scope, receive, answer)
        except asyncio.CancelledError:
            if not self._deadlines.is_overdue(task) or answer.status:
                raise  # an answer that has begun cannot be taken back: uvicorn closes the connection
            await _answer(answer, 504, TOOK_TOO_LONG, TEXT)
        finally:
            self._deadlines.end(task)
            self._last_at = now = time.monotonic()
            self.in_flight.end(now, proxied=proxied)
            status = answer.status or (CLIENT_LEFT if is_gone(scope) else 500)
            asked_bytes = int(headers.get(b"content-length", b"0"))
            self._metrics.served(scope["method"], status, now - arrived, asked_bytes, answer.bytes)

    async def _bounded(self, scope: Any, receive: Receive, answer: Answer) -> None:
        if self._breaker is None:
            await self._invoke(scope, receive, answer)
        elif await self._breaker.enter():
            try:
                await self._invoke(scope, receive, answer)
            finally:
                self._breaker.leave()
        else:
            await _answer(answer, 503, QUEUE_FULL, TEXT)

    async def _invoke(self, scope: Any, receive: Receive, answer: Answer) -> None:
        now = time.monotonic()
        await self._turns.take(now, scope.get(SEEN, now))
        if is_gone(scope):
            return
        began = time.monotonic()
        try:
            await self._app(scope, receive, answer)
        finally:
            self._metrics.invoked(answer.status or 500, time.monotonic() - began)


class Answer:
    """The way of an answer to the client; notes its status and size."""

    __slots__ = ("_send", "bytes", "status")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.bytes = 0

    async def __call__(self, message: Message) -> None:
        """Send a part on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.bytes += len(message.get("body", b""))
        await self._send(message)


async def _answer(send: Send, status: int, body: bytes, content_type: bytes) -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def queue_proxy_from(app: App, spec: ReplicaSpec, *, port: int, timeout_s: float, turns: Turns) -> QueueProxy:
    """The queue-proxy of a replica; its series are in the registry from here on."""
    breaker = Breaker(spec.container_concurrency) if spec.container_concurrency else None
    target = Target(spec.namespace, spec.name, f"{spec.inferenceservice}-predictor", spec.revision, port)
    metrics = QueueProxyMetrics(target, (lambda: breaker.active + breaker.queued) if breaker else None)
    REGISTRY.register(metrics)
    return QueueProxy(app, metrics, breaker, timeout_s, turns)
