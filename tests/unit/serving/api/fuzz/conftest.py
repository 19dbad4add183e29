"""An API in this process that is asked thousands of hostile things, and what must hold of each answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from modelyard.serving.api import create_app
from modelyard.serving.store import Store

TOKEN = "a-token"
MANIFEST: dict[str, Any] = {
    "apiVersion": "serving.kserve.io/v1beta1",
    "kind": "InferenceService",
    "metadata": {"name": "flights", "namespace": "default", "labels": {"team": "x"}, "annotations": {"a/b": "c"}},
    "spec": {"predictor": {"model": {"modelFormat": {"name": "sklearn"}, "storageUri": "s3://m/flights"}}},
}


@dataclass
class Answer:
    """Status, headers in lower case, and body."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Hostile:
    """Sends requests straight into the application and checks what every answer must be."""

    def __init__(self, app: Any, store: Store) -> None:
        self.app, self.store, self.sent = app, store, 0
        self._loop = asyncio.new_event_loop()

    def close(self) -> None:
        self._loop.close()

    def ask(
        self,
        method: str,
        path: str | bytes,
        body: bytes | Any = b"",
        *,
        query: bytes = b"",
        headers: list[tuple[bytes, bytes]] | None = None,
        content_type: str | None = "application/json",
        token: bytes | None = TOKEN.encode(),
    ) -> Answer:
        """One request and its checked answer; a body that is no bytes goes as JSON."""
        raw = path.encode() if isinstance(path, str) else path
        sent = list(headers or [])
        if content_type is not None:
            sent.append((b"content-type", content_type.encode("utf-8", "replace")))
        if token is not None:
            sent.append((b"authorization", b"Bearer " + token))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            # As uvicorn does it: the path with its escapes undone.
            "path": unescaped(raw),
            "raw_path": raw,
            "query_string": query,
            "root_path": "",
            "headers": sent,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 443),
        }
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = self._loop.run_until_complete(self._run(scope, content))
        self.sent += 1
        check(answer, authorized=token == TOKEN.encode())
        return answer

    async def _run(self, scope: dict, body: bytes) -> Answer:
        given, told, parts = False, {}, []

        async def receive() -> dict:
            nonlocal given
            if not given:
                given = True
                return {"type": "http.request", "body": body, "more_body": False}
            await asyncio.sleep(0)
            return {"type": "http.disconnect"}

        async def send(message: dict) -> None:
            if message["type"] == "http.response.start":
                told.update(message)
            else:
                parts.append(message.get("body", b""))

        async with asyncio.timeout(20):
            await self.app(scope, receive, send)
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in told.get("headers", [])}
        return Answer(told.get("status", 0), headers, b"".join(parts))


def unescaped(raw: bytes) -> str:
    from urllib.parse import unquote

    return unquote(raw.decode("latin-1"))


def check(answer: Answer, *, authorized: bool) -> None:
    """What holds of every answer: no fault of ours, a Status object for every refusal, nothing without the token."""
    assert 200 <= answer.status < 500, (answer.status, answer.body[:500])
    if not authorized:
        assert answer.status == 401
    kind = answer.headers.get("content-type", "")
    if answer.status >= 400 and answer.body != b"404 page not found\n":
        assert kind.startswith("application/json"), (kind, answer.body[:200])
        told = answer.json()
        assert (told["kind"], told["status"], told["code"]) == ("Status", "Failure", answer.status)
        assert told["message"]
    elif kind.startswith("application/json") and answer.body and b"\n{" not in answer.body:
        answer.json()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    """An API with one InferenceService, a pod with a log, and a secret beside the logs that nobody may see."""
    folder: Path = tmp_path_factory.mktemp("fuzz")
    (folder / "logs").mkdir()
    (folder / "logs" / "pod-1.log").write_text("line\n")
    (folder / "secret.log").write_text("SECRET")
    store = Store(folder / "objects.db")
    store.create(
        "pods", {"metadata": {"name": "pod-1", "namespace": "default"}, "spec": {"containers": [{"name": "c"}]}}
    )
    held = Hostile(create_app(store, token=TOKEN, logs=folder / "logs"), store)
    assert (
        held.ask("POST", "/apis/serving.kserve.io/v1beta1/namespaces/default/inferenceservices", MANIFEST).status == 201
    )
    yield held
    held.close()
    store.close()


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    """An InferenceService that is accepted."""
    return MANIFEST
