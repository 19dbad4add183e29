"""One codec for rows and predictions: load tests, model servers, the monitor and the canary judge share it.

V1 (KServe "predict protocol v1"): `{"instances": [{column: value}]}`, a missing value is `null`, never NaN;
answered by `{"predictions": [{"class": c, "probabilities": {class: p}}]}`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

Row = dict[str, Any]


Prediction = TypedDict("Prediction", {"class": str, "probabilities": dict[str, float]})
"""One answer: the most probable class and the probability of each class."""


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def encode_rows(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Row]]:
    """Rows as a V1 request body; NaN and infinities become null, numpy scalars plain numbers."""
    return {"instances": [{column: _plain(value) for column, value in row.items()} for row in rows]}


def decode_rows(body: bytes | str) -> list[Row] | None:
    """Rows of a V1 request, or None where the body is not one of rows (a GET, an empty body, a V1 call with lists)."""
    held = _json(body)
    instances = held.get("instances") if isinstance(held, dict) else None
    if not isinstance(instances, list) or not all(isinstance(row, dict) for row in instances):
        return None
    return instances


def encode_predictions(classes: Sequence[str], probabilities: Iterable[Iterable[float]]) -> dict[str, list[Prediction]]:
    """Probabilities, one row an instance and one number a class, as a V1 answer."""
    answers: list[Prediction] = []
    for row in probabilities:
        held = dict(zip(classes, (float(p) for p in row), strict=True))
        answers.append({"class": max(held, key=held.__getitem__), "probabilities": held})
    return {"predictions": answers}


def decode_predictions(body: bytes | str) -> list[Prediction] | None:
    """Predictions of a V1 answer, or None where the body is not one of classes and probabilities."""
    held = _json(body)
    predictions = held.get("predictions") if isinstance(held, dict) else None
    if not isinstance(predictions, list) or not all(isinstance(p, dict) and "class" in p for p in predictions):
        return None
    return predictions


def _json(body: bytes | str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, UnicodeDecodeError):
        return None
