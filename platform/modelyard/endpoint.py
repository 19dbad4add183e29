"""Asks an InferenceService through the gateway: the address is the gateway's, the Host header says who is meant."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modelyard.codec import Prediction, decode_predictions, encode_rows
from modelyard.errors import ServiceFailed

if TYPE_CHECKING:
    from modelyard.connections import Connections


def predict(
    conn: Connections,
    name: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    namespace: str = "default",
    ce_id: str = "",
    timeout_s: float = 30.0,
) -> list[Prediction]:
    """What an InferenceService answers to rows of features (protocol V1).

    Args:
        conn: the yard.
        name: of the InferenceService.
        rows: features by column; missing values are None or NaN.
        namespace: of the InferenceService.
        ce_id: the request's Ce-Id, by which its truth can be told to the monitor later; random where it is empty.
        timeout_s: seconds to wait for the answer.

    Raises:
        ServiceFailed: the gateway does not answer, or the answer is no prediction; the message holds what came back.
    """
    import httpx

    headers = {"Host": conn.host(name, namespace), "Ce-Id": ce_id or secrets.token_hex(8)}
    url = f"{conn.gateway}/v1/models/{name}:predict"
    try:
        answer = httpx.post(url, json=encode_rows(rows), headers=headers, timeout=timeout_s, trust_env=False)
    except httpx.HTTPError as error:
        raise ServiceFailed(
            f"the gateway at {conn.gateway} does not answer: {type(error).__name__}",
            detail=str(error),
            next_command="./invoke status",
        ) from error
    predictions = decode_predictions(answer.content) if answer.status_code == 200 else None
    if predictions is None or len(predictions) != len(rows):
        raise ServiceFailed(
            f"InferenceService {name} answered {answer.status_code} to {len(rows)} rows",
            detail=answer.text[:300],
            next_command=f"kubectl describe inferenceservice {name}",
        )
    return predictions
