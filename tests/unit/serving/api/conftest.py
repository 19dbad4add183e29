"""Answers recorded from a real cluster, and an API of our own to ask the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from modelyard.serving.api import create_app
from modelyard.serving.store import Store

RECORDED = Path(__file__).parent / "recorded" / "kserve-api.json"
"""A kind cluster with Kubernetes 1.34.1, Knative Serving 0.50.0 and KServe 0.20.0, asked over plain HTTP."""
TOKEN = "a-token"


@pytest.fixture(scope="session")
def recorded() -> dict[str, dict]:
    """Recorded calls by label: {request: {method, path, accept, content_type, body}, response: {status, body, ...}}."""
    return {call["label"]: call for call in json.loads(RECORDED.read_text("utf-8"))["calls"]}


@pytest.fixture
def store(tmp_path: Path):
    held = Store(tmp_path / "objects.db")
    yield held
    held.close()


@pytest.fixture
def make_ask() -> Callable[..., Callable[..., httpx.Response]]:
    """Makes a function that sends one request to an API."""

    def of(app: Any) -> Callable[..., httpx.Response]:
        def send(method: str, path: str, body: Any = None, *, token: str = TOKEN, **headers: str) -> httpx.Response:
            async def once() -> httpx.Response:
                transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
                async with httpx.AsyncClient(transport=transport, base_url="https://yard") as client:
                    content = body if isinstance(body, bytes) else encoded(body)
                    sent = {"authorization": f"Bearer {token}"} | {k.replace("_", "-"): v for k, v in headers.items()}
                    return await client.request(method, path, content=None if body is None else content, headers=sent)

            return asyncio.run(once())

        return send

    return of


@pytest.fixture
def ask(store: Store, make_ask: Callable) -> Callable[..., httpx.Response]:
    """Send one request to an API with the namespaces `rec` and `default`."""
    return make_ask(create_app(store, token=TOKEN, namespaces=("default", "rec")))


def encoded(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()
