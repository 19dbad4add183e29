"""What a replica has in flight, as exact integrals over time, and how many requests it takes at once."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

QUEUE_PER_SLOT = 10
"""Requests that may wait for each that may be in work (serving v0.50, pkg/queue/sharedmain, buildBreaker)."""

SLICE_S = 0.002
"""Seconds for which the event loop may go on predicting before it looks at its sockets."""


@dataclass
class InFlight:
    """Requests in flight, integrated over time; every `now` is in monotonic seconds.

    The difference of two readings over the difference of their times is the exact average in between, whatever came
    and went meanwhile. What the activator sent on counts twice, in all and as proxied: the autoscaler subtracts it.

    Attributes:
        concurrency_s: seconds that requests have spent in flight, summed over them all.
        proxied_concurrency_s: likewise of those that the activator sent on.
    """

    now: float
    active: int = 0
    proxied_active: int = 0
    requests: int = 0
    proxied_requests: int = 0
    concurrency_s: float = 0.0
    proxied_concurrency_s: float = 0.0

    def begin(self, now: float, *, proxied: bool = False, late_s: float = 0.0) -> None:
        """A request has begun, and was there for `late_s` seconds before anybody could look."""
        self._advance(now)
        self.active += 1
        self.requests += 1
        self.concurrency_s += late_s
        if proxied:
            self.proxied_active += 1
            self.proxied_requests += 1
            self.proxied_concurrency_s += late_s

    def end(self, now: float, *, proxied: bool = False) -> None:
        """A request has ended."""
        self._advance(now)
        self.active -= 1
        if proxied:
            self.proxied_active -= 1

    def read(self, now: float, *, queued: int) -> dict[str, float]:
        """The figures as `/queue-proxy/stat` tells them; all but `active` and `queued` only grow."""
        self._advance(now)
        return {
            "monotonic_s": now,
            "concurrency_s": self.concurrency_s,
            "proxied_concurrency_s": self.proxied_concurrency_s,
            "requests": self.requests,
            "proxied_requests": self.proxied_requests,
            "active": self.active - queued,
            "queued": queued,
        }

    def _advance(self, now: float) -> None:
        spent_s = now - self.now
        self.concurrency_s += self.active * spent_s
        self.proxied_concurrency_s += self.proxied_active * spent_s
        self.now = now


@dataclass
class Breaker:
    """`limit` requests in work, ten times as many in a queue, no more (serving v0.50, pkg/queue/breaker.go)."""

    limit: int
    active: int = 0
    _waiting: deque[asyncio.Future[None]] = field(default_factory=deque)

    @property
    def queued(self) -> int:
        """Requests that wait."""
        return len(self._waiting)

    async def enter(self) -> bool:
        """Wait for a place; False at once where the queue is full. Whoever got True must `leave`."""
        if self.active + self.queued >= self.limit * (1 + QUEUE_PER_SLOT):
            return False
        if self.active < self.limit:
            self.active += 1
            return True
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.cancelled():
                self._waiting.remove(place)
            else:  # the place came in the same moment
                self.leave()
            raise
        return True

    def leave(self) -> None:
        """Give the place to the next one that still waits."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self.active -= 1


class Turns:
    """Makes predictions let the event loop look at its sockets every few milliseconds.

    A model predicts on the loop and holds it; requests that came together would be predicted all before the next look.
    With turns, those that came meanwhile are seen, and probes and statistics answered, after a slice or one prediction.
    """

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._looked_at = 0.0
        self.busy = 0

    def hold(self) -> None:
        """A prediction is under way beside the loop: nobody has a turn until its `release`."""
        self.busy += 1

    def release(self) -> None:
        """The prediction has ended."""
        self.busy -= 1
        if self._waiting and not self.busy:
            self._next()

    async def take(self, now: float, seen: float) -> None:
        """Go on, or wait for the loop's next look; first come, first served.

        Args:
            now: monotonic seconds.
            seen: when the loop looked and saw this request.
        """
        self._looked_at = max(self._looked_at, seen)
        if not self._waiting and not self.busy and now - self._looked_at < SLICE_S:
            return
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        if not self._waiting and not self.busy:
            loop.call_soon(self._next)
        self._waiting.append(turn)
        await turn

    def _next(self) -> None:
        if self.busy:
            return  # `release` comes back here
        self._looked_at = time.monotonic()
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                break
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._next)


class Deadlines:
    """One timer for all requests, because each may take equally long: the oldest ends first.

    `asyncio.timeout` arms a timer for each request, which a fast model would feel.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._since: dict[asyncio.Task[Any], float] = {}
        self._overdue: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, task: asyncio.Task[Any], now: float) -> None:
        """The request of this task has begun."""
        self._since[task] = now
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._timeout_s, self._look)

    def end(self, task: asyncio.Task[Any]) -> None:
        """The request has ended."""
        self._since.pop(task, None)
        self._overdue.discard(task)

    def is_overdue(self, task: asyncio.Task[Any]) -> bool:
        """Whether the task was cancelled by its deadline; it is no longer cancelled then."""
        if task not in self._overdue:
            return False
        self._overdue.discard(task)
        return task.uncancel() == 0

    def _look(self) -> None:
        """Cancel what is overdue; come again when the oldest of the rest will be."""
        self._timer = None
        now = time.monotonic()
        for task, since in list(self._since.items()):
            left_s = since + self._timeout_s - now
            if left_s > 0:
                self._timer = asyncio.get_running_loop().call_later(left_s, self._look)
                return
            del self._since[task]
            self._overdue.add(task)
            task.cancel()
