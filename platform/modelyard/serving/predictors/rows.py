"""The instances of a V1 request."""

from __future__ import annotations

from typing import Any

import orjson
from kserve.errors import InvalidInput


def instances_of(payload: Any) -> list[Any]:
    """Instances of a V1 body.

    KServe hands on the raw bytes where the content type is not JSON, which is what `curl -d` sends.

    Raises:
        InvalidInput: the body is not JSON, or holds no list of instances (answered 400).
    """
    if isinstance(payload, bytes):
        try:
            payload = orjson.loads(payload)
        except orjson.JSONDecodeError as error:
            raise InvalidInput(f"Unrecognized request format: {error}") from error
    rows = payload.get("instances") if isinstance(payload, dict) else None
    if not isinstance(rows, list):
        raise InvalidInput('Expected "instances" to be a list')
    return rows
