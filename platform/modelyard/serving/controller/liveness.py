"""Replicas that no longer answer: found by a probe as kubelet's, and ended so that another takes their place.

A replica that is busy answers late and is left alone; one that says nothing for as long as kubelet's default probe
bears it (three periods of ten seconds) hangs. `livenessProbe` of the predictor's model changes both figures.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import httpx

from modelyard.serving.replicas.records import ReplicaRecord, is_alive
from modelyard.serving.spec.replicas import model_of

PATH = "/v2/health/live"
HEADERS = {"K-Network-Probe": "queue"}


@dataclass(frozen=True)
class LivenessProbe:
    """Seconds between two probes, and how many of them a replica may leave without an answer."""

    period_s: float = 10.0
    failures: int = 3

    @property
    def patience_s(self) -> float:
        """Seconds of silence after which a replica hangs."""
        return self.period_s * self.failures


def liveness_probe_of(predictor: dict[str, Any]) -> LivenessProbe:
    """The predictor's own `livenessProbe`, or kubelet's defaults."""
    asked = (model_of(predictor) or {}).get("livenessProbe") or {}
    period, failures = asked.get("periodSeconds"), asked.get("failureThreshold")
    return LivenessProbe(float(period or LivenessProbe.period_s), int(failures or LivenessProbe.failures))


class Liveness:
    """Watches replicas; `on_hang(record, message)` is called before one is killed."""

    def __init__(self, on_hang: Callable[[ReplicaRecord, str], None]) -> None:
        self._on_hang = on_hang
        self._client = httpx.AsyncClient(headers=HEADERS)
        self._watches: dict[tuple[str, int], asyncio.Task[None]] = {}

    def follow(self, replicas: Iterable[tuple[ReplicaRecord, LivenessProbe]]) -> None:
        """Watch these replicas and no others."""
        wanted = {(record.name, record.pid): (record, probe) for record, probe in replicas}
        for key in self._watches.keys() - wanted.keys():
            self._watches.pop(key).cancel()
        for key in wanted.keys() - self._watches.keys():
            self._watches[key] = asyncio.create_task(self._watch(*wanted[key]))

    async def close(self) -> None:
        """End all watches."""
        for watch in self._watches.values():
            watch.cancel()
        await asyncio.gather(*self._watches.values(), return_exceptions=True)
        await self._client.aclose()

    async def _watch(self, record: ReplicaRecord, probe: LivenessProbe) -> None:
        while True:
            await asyncio.sleep(probe.period_s)
            asked_at = time.monotonic()
            try:
                await self._client.get(record.address + PATH, timeout=probe.patience_s)
            except httpx.ReadTimeout:
                self._kill(record, probe, time.monotonic() - asked_at)
            except httpx.HTTPError:
                continue  # its end, if it has ended, is told by the warm parent

    def _kill(self, record: ReplicaRecord, probe: LivenessProbe, silent_s: float) -> None:
        if is_alive(record):
            told = f"Liveness probe failed {probe.failures} times: no answer from {record.address}{PATH} in"
            self._on_hang(record, f"{told} {silent_s:.0f}s")
            os.kill(record.pid, signal.SIGKILL)
