"""What the monitor's POST endpoints take, read and checked."""

from __future__ import annotations

from typing import Any

import orjson


class PostInvalid(ValueError):
    """A body is not what the endpoint takes; the text says what it wants."""


def _object(body: bytes) -> dict[str, Any]:
    try:
        held = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise PostInvalid(f"not JSON: {error}") from error
    if not isinstance(held, dict):
        raise PostInvalid(f"{type(held).__name__}: must be a JSON object")
    return held


def read_truths(body: bytes) -> list[tuple[str, int, str]]:
    """`{"truths": [{"id", "row", "class"}]}` as (id, row, class); a class of null means "not known" and is left out.

    Raises:
        PostInvalid: names the first truth that is wrong; then none is kept.
    """
    held = _object(body).get("truths")
    if not isinstance(held, list):
        raise PostInvalid('truths: must be a list of {"id", "row", "class"}')
    read: list[tuple[str, int, str]] = []
    for at, truth in enumerate(held):
        identity, row = (truth.get("id"), truth.get("row", 0)) if isinstance(truth, dict) else (None, None)
        if not isinstance(identity, str) or not identity or not isinstance(row, int) or row < 0:
            raise PostInvalid(f"truths[{at}]: id must be a text that is not empty, row a whole number from 0")
        true_class = truth.get("class")
        if isinstance(true_class, str):
            read.append((identity, row, true_class))
        elif true_class is not None:
            raise PostInvalid(f"truths[{at}].class is {true_class!r}: must be a text, or null where it is not known")
    return read


def read_phase(body: bytes) -> tuple[str, str, str]:
    """`{"namespace", "inferenceservice", "name"}`; the name is that of the phase that begins.

    Raises:
        PostInvalid: one of them is missing.
    """
    held = _object(body)
    given = tuple(held.get(name) for name in ("namespace", "inferenceservice", "name"))
    if not all(isinstance(value, str) for value in given):
        raise PostInvalid("namespace, inferenceservice and name: must be texts")
    return str(given[0]), str(given[1]), str(given[2])


def read_alerts(body: bytes) -> list[dict[str, Any]]:
    """Alerts of Alertmanager's webhook payload (version 4).

    Raises:
        PostInvalid: there is no list of alerts.
    """
    held = _object(body).get("alerts")
    if not isinstance(held, list) or not all(isinstance(alert, dict) for alert in held):
        raise PostInvalid("alerts: must be a list of objects")
    return held
