"""A client of the drift monitor that never forgets what was acknowledged: what it was told is kept must be there."""

from __future__ import annotations

import json
import secrets
import threading
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from modelyard.connections import Connections

SERVICE, VERSION = "chaos-ingest", "1"
PAUSE_S = 0.03
BATCHED = "application/cloudevents-batch+json"


class Ingest:
    """Posts pairs of events, one pair a request, from a thread; what is refused is offered again.

    Attributes:
        acknowledged: Ce-Ids of pairs that the monitor said it has kept (2xx).
        refused: answers that were no 2xx, and requests without an answer.
    """

    def __init__(self, conn: Connections) -> None:
        self.acknowledged: list[str] = []
        self.refused = 0
        self.told: set[str] = set()
        self._url, self._run = conn.logger_url, secrets.token_hex(6)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._post_all, daemon=True)

    def __enter__(self) -> Ingest:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _post_all(self) -> None:
        number = 0
        with httpx.Client(trust_env=False, timeout=10) as client:
            while not self._ended.is_set():
                identity = f"{self._run}-{number}"
                if self._is_kept(client, identity):
                    self.acknowledged.append(identity)
                    number += 1
                self._ended.wait(PAUSE_S)

    def _is_kept(self, client: httpx.Client, identity: str) -> bool:
        try:
            answer = client.post(self._url, content=pair(identity), headers={"content-type": BATCHED})
        except httpx.HTTPError as error:
            told = type(error).__name__
        else:
            if answer.is_success:
                return True
            told = f"{answer.status_code}: {answer.text[:200]}"
        self.refused += 1
        self.told.add(told)
        return False


def pair(identity: str) -> bytes:
    """A request and its response, as one batch of CloudEvents."""
    prediction = {"class": "late", "probabilities": {"early": 0.25, "late": 0.75}}
    halves: dict[str, Any] = {"request": {"instances": [{"dewp": 1.5}]}, "response": {"predictions": [prediction]}}
    return json.dumps(
        [
            {
                "specversion": "1.0",
                "id": identity,
                "type": f"org.kubeflow.serving.inference.{kind}",
                "source": "chaos",
                "namespace": "default",
                "inferenceservicename": SERVICE,
                "annotations": json.dumps({"modelyard.dev/model-version": VERSION}),
                "data": data,
            }
            for kind, data in halves.items()
        ]
    ).encode()


class Ledger:
    """Reads what the monitor has kept of those events, each row once."""

    def __init__(self, conn: Connections) -> None:
        from modelyard.monitor.client import Monitor

        self._monitor = Monitor(conn, SERVICE)
        self._after = 0
        self._kept: set[str] = set()

    def kept(self) -> set[str]:
        """Ce-Ids of every pair that was durable when this was asked; others may come while it is read."""
        known = self._monitor.version(VERSION)
        enough = int(known["rows"]) if known else 0
        if len(self._kept) < enough:
            for row in self._monitor.rows(VERSION, self._after):
                self._kept.add(str(row["id"]))
                self._after = int(row["seq"])
                if len(self._kept) >= enough:
                    break
        return self._kept
