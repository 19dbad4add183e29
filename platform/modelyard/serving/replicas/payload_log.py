"""Request and answer of each prediction as CloudEvents, after the answer, as KServe's agent sends them.

Source: kserve v0.20, cmd/agent and pkg/logger: binary CloudEvents 1.0.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from modelyard.serving.replicas.payload_sender import Sender

if TYPE_CHECKING:
    from modelyard.serving.replicas.records import ReplicaSpec

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Receive, Send], Awaitable[None]]

TYPES = {"request": "org.kubeflow.serving.inference.request", "response": "org.kubeflow.serving.inference.response"}
PROBE_HEADER = b"k-network-probe"
"""Requests of the control plane's own probes carry this header (as Knative's do) and are not logged."""


@dataclass(frozen=True)
class LoggedBy:
    """What is the same in every event of a replica."""

    url: str
    mode: str
    inferenceservice: str
    namespace: str
    source: str
    component: str = "predictor"
    endpoint: str = ""
    annotations: dict[str, str] | None = None
    metadata_headers: tuple[str, ...] = ()

    def logs(self, kind: str) -> bool:
        """Whether the mode (all, request, response) wants this half of the pair."""
        return self.mode in ("all", kind)


def rfc3339(seconds: float) -> str:
    """A time since 1970 as Go's RFC3339Nano writes it."""
    whole = datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{int(seconds % 1 * 1e9):09d}Z"


def event_headers(
    by: LoggedBy, kind: str, event_id: str, *, now: float, request_headers: dict[str, str]
) -> dict[str, str]:
    """Headers of a binary CloudEvent as KServe's agent sets them; the content type is the request's, if it had one.

    Args:
        by: the replica's constants.
        kind: "request" or "response".
        event_id: the same for both halves of a pair.
        now: seconds since 1970.
        request_headers: of the client's request, names in lower case.
    """
    at = rfc3339(now)
    kept = {name: [request_headers[name.lower()]] for name in by.metadata_headers if name.lower() in request_headers}
    headers = {
        "Ce-Component": by.component,
        "Ce-Endpoint": by.endpoint,
        "Ce-Id": event_id,
        "Ce-Inferenceservicename": by.inferenceservice,
        "Ce-Metadata": orjson.dumps(kept).decode(),
        "Ce-Namespace": by.namespace,
        "Ce-Recordedtime": at,
        "Ce-Source": by.source,
        "Ce-Specversion": "1.0",
        "Ce-Time": at,
        "Ce-Type": TYPES[kind],
    }
    if by.annotations is not None:
        headers["Ce-Annotations"] = orjson.dumps(by.annotations).decode()
    if "content-type" in request_headers:
        headers["Content-Type"] = request_headers["content-type"]
    return headers


class PayloadLog:
    """ASGI application around a model server that logs the payload of requests where a logger is set."""

    def __init__(self, app: App, by: LoggedBy | None, *, started: Callable[[], None] | None = None) -> None:
        self._app = app
        self._log = (by, Sender(by.url)) if by else None
        self._started = started

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer a request, then log it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, self._lifespan(send))
        elif scope["type"] != "http" or self._log is None or scope["path"] == "/metrics" or _is_probe(scope):
            await self._app(scope, receive, send)
        else:
            await self._logged(*self._log, scope, receive, send)

    def _lifespan(self, send: Send) -> Send:
        async def watched(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                if self._log:
                    await self._log[1].open()
                if self._started:
                    self._started()
            elif message["type"] == "lifespan.shutdown.complete" and self._log:
                await self._log[1].close()
            await send(message)

        return watched

    async def _logged(self, by: LoggedBy, sender: Sender, scope: Any, receive: Receive, send: Send) -> None:
        await sender.room()
        asked, answered = bytearray(), bytearray()
        status = 500
        received_at = time.time()

        async def copying_receive() -> Message:
            message = await receive()
            asked.extend(message.get("body", b""))
            return message

        async def copying_send(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            answered.extend(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, copying_receive, copying_send)
        finally:
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            event_id = headers.get("ce-id") or str(uuid.uuid4())
            if by.logs("request"):
                request = event_headers(by, "request", event_id, now=received_at, request_headers=headers)
                sender.put(request, bytes(asked))
            if by.logs("response") and status == 200:
                response = event_headers(by, "response", event_id, now=time.time(), request_headers=headers)
                sender.put(response, bytes(answered))


def _is_probe(scope: Any) -> bool:
    return any(name == PROBE_HEADER for name, _ in scope["headers"])


def payload_log_from(app: App, spec: ReplicaSpec, *, port: int, started: Callable[[], None]) -> PayloadLog:
    """The payload log of a replica; without a logger in its spec it hands requests on."""
    by = None
    if spec.logger:
        by = LoggedBy(
            url=spec.logger["url"],
            mode=spec.logger["mode"],
            inferenceservice=spec.inferenceservice,
            namespace=spec.namespace,
            source=f"http://localhost:{port}/",
            annotations=spec.logger.get("annotations"),
            metadata_headers=tuple(spec.logger.get("metadataHeaders") or ()),
        )
    return PayloadLog(app, by, started=started)
