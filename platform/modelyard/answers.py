"""Answers of the yard's own HTTP services: JSON by orjson, and a refusal that says what was wrong."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.responses import Response


def as_json(content: Any, status_code: int = 200) -> Response:
    """A JSON answer by orjson."""
    return Response(orjson.dumps(content), status_code, media_type="application/json")


def refuse(status_code: int, what: str) -> Response:
    """An answer that says what was wrong."""
    return as_json({"error": what}, status_code)
