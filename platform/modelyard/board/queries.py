"""Asks Prometheus and Alertmanager, for the browser; an answer is data, and so is no answer."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import Any

import httpx
import orjson

from modelyard.board.windows import Window

AT_ONCE = 6
DEADLINE_S = 10.0
CONNECT_DEADLINE_S = 1.0


class Unanswered(Exception):
    """A query had no answer: `state` is "down" (nobody answers) or "refused" (the query is at fault)."""

    def __init__(self, state: str, told: str) -> None:
        super().__init__(told)
        self.state = state
        self.told = told


class Sources:
    """Prometheus' and Alertmanager's HTTP APIs, by their addresses without a trailing slash."""

    def __init__(self, prometheus: str, alertmanager: str) -> None:
        self.prometheus = prometheus
        self.alertmanager = alertmanager
        limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
        timeout = httpx.Timeout(DEADLINE_S, connect=CONNECT_DEADLINE_S)
        # No verification: both speak http on 127.0.0.1, and a list of authorities takes 5 MB.
        self._client = httpx.AsyncClient(trust_env=False, limits=limits, timeout=timeout, verify=False)  # noqa: S501
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def over_time(self, promql: str, window: Window) -> list[dict[str, Any]]:
        """Series of a range query: `labels`, and `values` with one item a step of the window, None where there is none.

        Raises:
            Unanswered: Prometheus does not answer, or refuses the query.
        """
        asked = {"query": promql, "start": window.start_s, "end": window.end_s, "step": window.step_s}
        held = await self._ask("/api/v1/query_range", asked)
        return [{"labels": series["metric"], "values": spread(series["values"], window)} for series in held["result"]]

    async def now(self, promql: str, at_s: float) -> list[dict[str, Any]]:
        """Series of an instant query: `labels` and `value`.

        Raises:
            Unanswered: Prometheus does not answer, or refuses the query.
        """
        held = await self._ask("/api/v1/query", {"query": promql, "time": at_s})
        if held["resultType"] == "scalar":
            return [{"labels": {}, "value": read_number(held["result"][1])}]
        return [{"labels": series["metric"], "value": read_number(series["value"][1])} for series in held["result"]]

    async def label_values(self, label: str, selector: str, window: Window) -> list[str]:
        """Values that a label has in the window, among the series of a selector ("" for all).

        Raises:
            Unanswered: Prometheus does not answer, or refuses the selector.
        """
        asked: dict[str, Any] = {"start": window.start_s, "end": window.end_s + window.step_s}
        if selector:
            asked["match[]"] = selector
        return sorted(await self._ask(f"/api/v1/label/{label}/values", asked))

    async def alerts(self) -> list[dict[str, Any]]:
        """Alerts that Alertmanager holds: `labels`, `annotations`, `since` and `state` (active, suppressed).

        Raises:
            Unanswered: Alertmanager does not answer.
        """
        held = await self._get(self.alertmanager, "/api/v2/alerts", {}, "Alertmanager")
        return [
            {
                "labels": alert["labels"],
                "annotations": alert.get("annotations", {}),
                "since": alert["startsAt"],
                "state": alert["status"]["state"],
            }
            for alert in held
        ]

    async def _ask(self, path: str, params: Mapping[str, Any]) -> Any:
        held = await self._get(self.prometheus, path, params, "Prometheus")
        if held.get("status") != "success":
            raise Unanswered("refused", str(held.get("error", "no reason")))
        return held["data"]

    async def _get(self, address: str, path: str, params: Mapping[str, Any], name: str) -> Any:
        async with self._turns:
            try:
                answer = await self._client.get(address + path, params=dict(params))
                return orjson.loads(answer.content)
            except httpx.TimeoutException as error:
                raise Unanswered("down", f"{name} is slow to answer") from error
            except (httpx.HTTPError, ValueError) as error:
                raise Unanswered("down", f"{name} does not answer") from error


def spread(values: list[tuple[float, str]], window: Window) -> list[float | None]:
    """Samples of a range query over every step of the window; what is no finite number is None: no data is not zero."""
    held: list[float | None] = [None] * window.points
    for at_s, value in values:
        place = round((at_s - window.start_s) / window.step_s)
        if 0 <= place < len(held):
            held[place] = read_number(value)
    return held


def read_number(told: str) -> float | None:
    """A sample's value, None for NaN and the infinities."""
    value = float(told)
    return value if math.isfinite(value) else None
