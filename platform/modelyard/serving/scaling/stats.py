"""What replicas tell of their requests: cumulative figures, and the exact averages between two readings."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from modelyard.serving.replicas.records import ReplicaRecord

STAT_PATH = "/queue-proxy/stat"
ANSWER_WITHIN_S = 0.8
"""Seconds that a replica has to answer: less than the second between two readings."""


@dataclass(frozen=True)
class Stat:
    """One reading. `_s` and the counts of requests only grow while the replica lives; `active` and `queued` are now."""

    monotonic_s: float
    concurrency_s: float
    proxied_concurrency_s: float
    requests: int
    proxied_requests: int
    active: int
    queued: int

    @property
    def in_flight(self) -> int:
        """Requests that have not been answered."""
        return self.active + self.queued


@dataclass(frozen=True)
class Load:
    """Averages over an interval: requests in flight, and requests a second; `proxied` of it came by the activator."""

    concurrency: float = 0.0
    proxied_concurrency: float = 0.0
    rps: float = 0.0
    proxied_rps: float = 0.0


def stat_from(told: Mapping[str, Any]) -> Stat:
    """A reading from the replica's answer.

    Raises:
        LookupError, TypeError, ValueError: it is none.
    """
    return Stat(
        monotonic_s=float(told["monotonic_s"]),
        concurrency_s=float(told["concurrency_s"]),
        proxied_concurrency_s=float(told["proxied_concurrency_s"]),
        requests=int(told["requests"]),
        proxied_requests=int(told["proxied_requests"]),
        active=int(told["active"]),
        queued=int(told["queued"]),
    )


def load_between(before: Stat, after: Stat) -> Load | None:
    """The exact averages between two readings of one replica; None where no time has passed."""
    spent_s = after.monotonic_s - before.monotonic_s
    if spent_s <= 0:
        return None
    return Load(
        concurrency=(after.concurrency_s - before.concurrency_s) / spent_s,
        proxied_concurrency=(after.proxied_concurrency_s - before.proxied_concurrency_s) / spent_s,
        rps=(after.requests - before.requests) / spent_s,
        proxied_rps=(after.proxied_requests - before.proxied_requests) / spent_s,
    )


def total_load(loads: Sequence[Load], ready: int) -> Load | None:
    """The load of `ready` replicas; those that did not answer are taken for the average of those that did.

    None where nobody did. Source: knative/serving pkg/autoscaler/metrics/stats_scraper.go.
    """
    if not loads:
        return None
    factor = ready / len(loads)
    return Load(
        concurrency=factor * sum(load.concurrency for load in loads),
        proxied_concurrency=factor * sum(load.proxied_concurrency for load in loads),
        rps=factor * sum(load.rps for load in loads),
        proxied_rps=factor * sum(load.proxied_rps for load in loads),
    )


class StatReader:
    """Reads the figures of replicas."""

    def __init__(self) -> None:
        self._client = httpx.AsyncClient(timeout=ANSWER_WITHIN_S)

    async def read(self, replica: ReplicaRecord) -> Stat | None:
        """A replica's figures; None where it does not tell them in time."""
        try:
            answer = await self._client.get(replica.address + STAT_PATH)
            return stat_from(answer.json()) if answer.status_code == 200 else None
        except (httpx.HTTPError, LookupError, TypeError, ValueError):
            return None

    async def read_all(self, replicas: Iterable[ReplicaRecord]) -> dict[tuple[str, int], Stat]:
        """Figures by (name, pid) of those that tell them."""
        asked = list(replicas)
        told = await asyncio.gather(*(self.read(replica) for replica in asked))
        return {(r.name, r.pid): stat for r, stat in zip(asked, told, strict=True) if stat is not None}

    async def close(self) -> None:
        """End the connections."""
        await self._client.aclose()
