"""Posting of CloudEvents beside a model: a queue and workers over kept connections, cheap and without loss.

As KServe's agent (kserve v0.20, pkg/logger): a queue of 100, five workers, and a full queue holds requests up. Unlike
it, an event is offered again while the receiver is briefly away, so the receiver may see one twice (same id and type).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge

if TYPE_CHECKING:
    import aiohttp

QUEUE_EVENTS = 100
"""Events from which on new requests wait, while the receiver answers, or events are dropped, while it does not."""
WORKERS = 5
AWAY_AFTER_S = 1.0
"""Seconds of failures without an answer in between, after which the receiver counts as away."""
RETRY_FOR_S = 10.0
"""Seconds for which an event is offered again after its first failure."""
POST_TIMEOUT_S = 20.0
SHUTDOWN_S = 15.0
SHUTDOWN_AWAY_S = 2.0
NOT_NOW = frozenset({429, 502, 503, 504})
"""Answers that ask to come again."""

EVENTS = Counter(
    "modelyard_payload_events_total",
    "CloudEvents of the payload log by outcome: sent, refused (not 2xx), lost (no answer), dropped (queue full)",
    ["outcome"],
)
QUEUED = Gauge("modelyard_payload_queued", "CloudEvents that wait in the payload log's queue")


@dataclass
class Pending:
    """An event that waits for a worker."""

    headers: dict[str, str]
    body: bytes


class Sender:
    """Posts events to one address; nothing is lost while the receiver answers, and what is lost is counted."""

    _session: aiohttp.ClientSession
    """Made in the loop that it serves."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._queue: asyncio.Queue[Pending] = asyncio.Queue()
        self._workers: list[asyncio.Task[None]] = []
        self._room = asyncio.Event()
        self._room.set()
        self._failing_since: float | None = None

    @property
    def is_away(self) -> bool:
        """Whether the receiver has failed for a while without an answer in between."""
        return self._failing_since is not None and time.monotonic() - self._failing_since > AWAY_AFTER_S

    async def open(self) -> None:
        """Start the workers in the running loop."""
        import aiohttp

        # aiohttp and not httpx: half the CPU for a small post, and this shares a core with the model. Its kept
        # connections end before uvicorn's 5 s, so that a post seldom meets one that the receiver has just closed.
        connector = aiohttp.TCPConnector(limit=WORKERS, keepalive_timeout=3)
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=POST_TIMEOUT_S),
            skip_auto_headers=("Content-Type",),
        )
        self._workers = [asyncio.create_task(self._work()) for _ in range(WORKERS)]

    async def close(self) -> None:
        """Send what is queued, with patience while the receiver answers, and end."""
        try:
            await asyncio.wait_for(self._queue.join(), SHUTDOWN_AWAY_S if self.is_away else SHUTDOWN_S)
        except TimeoutError:
            EVENTS.labels("lost").inc(self._queue.qsize())
        for worker in self._workers:
            worker.cancel()
        if self._workers:
            await self._session.close()

    async def room(self) -> None:
        """Wait while the queue is full and the receiver answers: a request that comes now is answered later."""
        while not self._room.is_set() and not self.is_away:
            try:
                await asyncio.wait_for(self._room.wait(), AWAY_AFTER_S)
            except TimeoutError:
                continue

    def put(self, headers: dict[str, str], body: bytes) -> None:
        """Queue an event; a full queue takes those of requests under way, unless the receiver is away."""
        if self._queue.qsize() >= QUEUE_EVENTS and self.is_away:
            EVENTS.labels("dropped").inc()
            return
        self._queue.put_nowait(Pending(headers, body))
        self._measure()

    def _measure(self) -> None:
        waiting = self._queue.qsize()
        QUEUED.set(waiting)
        if waiting >= QUEUE_EVENTS:
            self._room.clear()
        else:
            self._room.set()

    async def _work(self) -> None:
        while True:
            pending = await self._queue.get()
            try:
                EVENTS.labels(await self._offer(pending)).inc()
            finally:
                self._queue.task_done()
                self._measure()

    async def _offer(self, pending: Pending) -> str:
        first_failure: float | None = None
        pause_s = 0.05
        while True:
            status = await self._post(pending)
            now = time.monotonic()
            if status is not None and status not in NOT_NOW:
                self._failing_since = None
                return "sent" if status < 300 else "refused"
            self._failing_since = self._failing_since or now
            first_failure = first_failure or now
            if now - first_failure > RETRY_FOR_S:
                return "lost"
            await asyncio.sleep(pause_s)
            pause_s = min(1.0, pause_s * 2)

    async def _post(self, pending: Pending) -> int | None:
        """Status of the answer, or None where there was none."""
        import aiohttp

        try:
            async with self._session.post(self._url, data=pending.body, headers=pending.headers) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None
