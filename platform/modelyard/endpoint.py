"""Asks an InferenceService through the gateway: the address is the gateway's, the Host header says who is meant."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modelyard.codec import Prediction, decode_predictions, encode_rows
from modelyard.errors import PredictionFailed, ServiceUnreachable

if TYPE_CHECKING:
    import httpx

    from modelyard.connections import Connections

TIMEOUT_S = 30.0


def predict(
    conn: Connections, name: str, rows: Sequence[Mapping[str, Any]], *, namespace: str = "default", ce_id: str = ""
) -> list[Prediction]:
    """What an InferenceService of the codec's form (class and probabilities) answers to rows of features.

    Args:
        conn: the yard.
        name: of the InferenceService.
        rows: features by column; missing values are None or NaN.
        namespace: of the InferenceService.
        ce_id: the request's Ce-Id, by which its truth can be told to the monitor later; random where it is empty.

    Raises:
        ServiceFailed: the gateway does not answer, or the answer is no such prediction; the message holds what came.
    """
    body = encode_rows(rows)
    answer = _post(conn, name, body, namespace, ce_id)
    predictions = decode_predictions(answer.content) if answer.status_code == 200 else None
    return _checked(predictions, name, answer, len(rows))


def ask(
    conn: Connections, name: str, instances: Sequence[Any], *, namespace: str = "default", ce_id: str = ""
) -> list[Any]:
    """What any InferenceService of protocol V1 answers: one prediction an instance, in whatever form it has.

    Raises:
        ServiceFailed: as `predict`.
    """
    are_rows = all(isinstance(instance, Mapping) for instance in instances)
    body = encode_rows(instances) if are_rows else {"instances": list(instances)}
    answer = _post(conn, name, body, namespace, ce_id)
    try:
        predictions = answer.json()["predictions"] if answer.status_code == 200 else None
    except (ValueError, KeyError, TypeError):
        predictions = None
    return _checked(predictions, name, answer, len(instances))


def _post(conn: Connections, name: str, body: Mapping[str, Any], namespace: str, ce_id: str) -> httpx.Response:
    import httpx

    headers = {"Host": conn.host(name, namespace), "Ce-Id": ce_id or secrets.token_hex(8)}
    url = f"{conn.gateway}/v1/models/{name}:predict"
    try:
        return httpx.post(url, json=body, headers=headers, timeout=TIMEOUT_S, trust_env=False)
    except httpx.HTTPError as error:
        raise ServiceUnreachable(
            f"the gateway at {conn.gateway} does not answer: {type(error).__name__}",
            detail=str(error),
            next_command="./invoke status",
        ) from error


def _checked(predictions: list[Any] | None, name: str, answer: httpx.Response, wanted: int) -> list[Any]:
    if predictions is None or len(predictions) != wanted:
        raise PredictionFailed(
            f"InferenceService {name} answered {answer.status_code} to {wanted} rows",
            detail=answer.text[:300],
            next_command=f"./invoke why {name}",
        )
    return predictions
