"""The drift monitor as others see it: its HTTP API, and nothing of its insides."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from modelyard.errors import RequestRefused, ServiceUnreachable
from modelyard.waiting import wait_until

if TYPE_CHECKING:
    import httpx

    from modelyard.connections import Connections

TRUTHS_A_CALL = 2000
ROWS_A_PAGE = 5000
Held = dict[str, Any]


class Monitor:
    """Reads and tells the monitor of one yard about one InferenceService.

    Every method raises ServiceFailed where the monitor does not answer, with the command that shows why.
    """

    def __init__(self, conn: Connections, inferenceservice: str = "flights", namespace: str = "default") -> None:
        self.address = conn.address("monitor")
        self._token = conn.credentials.monitor_token
        self.of = {"namespace": namespace, "inferenceservice": inferenceservice}

    def status(self) -> Held:
        """Backlog and versions, as `GET /status` answers them."""
        return self._call("GET", "/status").json()

    def version(self, model_version: str) -> Held | None:
        """What the monitor knows of a model version, or None where it has seen no row of it."""
        for held in self.status()["versions"]:
            if self.of.items() <= held.items() and str(held["model_version"]) == model_version:
                return held
        return None

    def windows(self, model_version: str, kind: str) -> list[Held]:
        """Windows of a model version, oldest first; `kind` is drift or quality."""
        params = {**self.of, "model_version": model_version, "kind": kind}
        return self._call("GET", "/windows", params=params).json()["windows"]

    def alerts(self) -> list[Held]:
        """Every alert that reached the monitor's webhook, oldest first."""
        return self._call("GET", "/alerts").json()["alerts"]

    def begin_phase(self, name: str) -> None:
        """End the current windows, so that none mixes two phases of the replay."""
        self._call("POST", "/phase", json={**self.of, "name": name})

    def tell_truths(self, truths: Iterable[Held]) -> int:
        """Post truths `{"id": Ce-Id, "row": index, "class": class}`; the number that was accepted is returned."""
        held = list(truths)
        accepted = 0
        for first in range(0, len(held), TRUTHS_A_CALL):
            body = {"truths": held[first : first + TRUTHS_A_CALL]}
            accepted += int(self._call("POST", "/truth", json=body).json()["accepted"])
        return accepted

    def rows(self, model_version: str, after: int = 0) -> Iterator[Held]:
        """Logged pairs of a model version in the durable order, those after sequence number `after`."""
        while True:
            params = {**self.of, "model_version": model_version, "after": after, "limit": ROWS_A_PAGE}
            page = [json.loads(line) for line in self._call("GET", "/rows", params=params).text.splitlines() if line]
            if not page:
                return
            yield from page
            after = int(page[-1]["seq"])

    def last_seq(self, model_version: str) -> int:
        """Sequence number of the newest logged row of a model version; 0 where there is none."""
        return max((int(row["seq"]) for row in self.rows(model_version)), default=0)

    def wait_drained(self, deadline_s: float = 120.0) -> None:
        """Wait until every event is stored and every full window is reported.

        Raises:
            WaitTimeout: the backlog did not get empty in time.
        """
        seen: list[Held] = []

        def drained() -> bool:
            seen[:] = [self.status()["backlog"]]
            return not any(seen[0].values())

        wait_until(
            drained,
            what="the monitor's backlog to be empty",
            deadline_s=deadline_s,
            interval_s=0.25,
            next_command="./invoke logs monitor",
            last_answer=lambda: f"backlog: {seen[0]}" if seen else "",
        )

    def _call(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        import httpx

        headers = {"Authorization": f"Bearer {self._token}"}
        try:
            answer = httpx.request(
                method, self.address + path, headers=headers, timeout=30.0, trust_env=False, **kwargs
            )
            return answer.raise_for_status()
        except httpx.HTTPStatusError as error:
            raise RequestRefused(
                f"the monitor answered {method} {path} with {error.response.status_code}",
                detail=error.response.text[:300],
                next_command="./invoke logs monitor",
            ) from error
        except httpx.HTTPError as error:
            raise ServiceUnreachable(
                f"the monitor at {self.address} does not answer {method} {path}: {type(error).__name__}",
                detail=str(error),
                next_command="./invoke status",
            ) from error
