"""The activator's queue of one revision: who waits, which replica is next, and what is told about it.

No socket and no clock: time is an argument in monotonic seconds. Places are asyncio futures, which a test may resolve
as well as a server. Sources: knative serving v0.50, pkg/activator/net/{throttler,lb_policy}.go (balancing, capacity),
pkg/activator/handler/concurrency_reporter.go (reports), pkg/queue/breaker.go (bound).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from modelyard.serving.activator.messages import Key, Report, TableEntry

QUEUE_LIMIT = 10_000
"""Requests of one revision that the activator holds or forwards; upstream's breaker queue has the same bound."""
SUSPECT_S = 0.2
"""Seconds that a replica which broke off is left alone; upstream probes as often."""
GONE_AFTER_S = 3.0
"""Seconds after which the requests of a revision that is not named any more are given up."""
AT_ONCE = 200
"""Requests that a replica without a limit of its own gets at a time from here: of thousands that were held, most would
find no place in its backlog of connections, and a server that answers one by one is no faster for it."""
ALONE_S = 2.0
"""Seconds for which a request that broke a replica is kept apart from others that did."""
FEW = 3
"""Up to this containerConcurrency the first replica with room is taken, so that the others may become idle."""


class QueueFull(Exception):
    """The revision has as many requests as it may."""


class RevisionGone(Exception):
    """The control plane has told a table without the revision."""


class Dropped(Exception):
    """The activator ends; another one will hold the request."""


@dataclass
class Replica:
    """One ready replica: requests of ours that it has, and what is known against it."""

    port: int
    in_flight: int = 0
    again: int = 0
    """Of these, requests that have broken a replica before."""
    suspect_until_s: float | None = None

    def suspect(self, now: float) -> None:
        """It refused or broke off."""
        self.suspect_until_s = now + SUSPECT_S

    def has_room(self, container_concurrency: int, now: float) -> bool:
        """Whether one more request may go to it; one that broke off gets one at a time until it has answered."""
        if self.suspect_until_s is not None:
            return now >= self.suspect_until_s and self.in_flight == 0
        return self.in_flight < (container_concurrency or AT_ONCE)


def pick_replica(
    replicas: Sequence[Replica], container_concurrency: int, *, turn: int, now: float, draw: random.Random
) -> Replica | None:
    """The replica of the next request, or None where none has room.

    Args:
        replicas: in the order in which they were told.
        container_concurrency: 0: the less busy of two that are drawn; up to 3: the first with room; more: by turns.
        turn: counts the requests so far, for the turns.
        now: monotonic seconds.
        draw: randomness of the two.
    """
    able = [replica for replica in replicas if replica.has_room(container_concurrency, now)]
    if not able:
        return None
    if container_concurrency == 0:
        return min(draw.sample(able, min(2, len(able))), key=lambda replica: replica.in_flight)
    if container_concurrency <= FEW:
        return able[0]
    return able[turn % len(able)]


@dataclass(eq=False)
class Place:
    """A request's place in the queue, and then at a replica.

    Attributes:
        replica: resolved when it is its turn.
        again: a replica has broken off while it answered this request. Of all that such a replica had, one may be what
            killed it; they go on one by one, so that the next replica, if it dies too, has only that one among them.
        since_s: when it began to wait.
    """

    replica: asyncio.Future[Replica]
    again: bool = False
    since_s: float = 0.0


@dataclass
class Gauge:
    """Time average of a number that changes, and arrivals, since they were last taken."""

    level: int = 0
    area_s: float = 0.0
    arrivals: int = 0
    since_s: float = 0.0
    changed_s: float = 0.0

    def change(self, step: int, now: float) -> None:
        """The number grows or shrinks by one."""
        self.area_s += self.level * (now - self.changed_s)
        self.changed_s = now
        self.level += step
        self.arrivals += step > 0

    def take(self, now: float) -> tuple[float, float]:
        """Average of the number and arrivals a second since the last call."""
        self.change(0, now)
        span_s = now - self.since_s
        taken = (self.area_s / span_s, self.arrivals / span_s) if span_s > 0 else (float(self.level), 0.0)
        self.area_s, self.arrivals, self.since_s = 0.0, 0, now
        return taken


@dataclass
class RevisionQueue:
    """Requests of one revision in the order in which they came, and its replicas.

    `on_poke` is called once when a request comes and there is no replica, and again when the last replica goes.
    """

    key: Key
    on_poke: Callable[[Key], None]
    now: float = 0.0
    entry: TableEntry | None = None
    limit: int = QUEUE_LIMIT
    draw: random.Random = field(default_factory=random.Random)
    replicas: dict[int, Replica] = field(default_factory=dict)
    waiting: dict[Place, None] = field(default_factory=dict)
    waiting_again: dict[Place, None] = field(default_factory=dict)
    replicas_since_s: float = 0.0
    turn: int = 0
    poked: bool = False
    gone_at_s: float | None = None
    """Since when the control plane's table has not named the revision any more."""
    idle_told: bool = True
    gauge: Gauge = field(init=False)

    def __post_init__(self) -> None:
        self.gauge = Gauge(since_s=self.now, changed_s=self.now)

    @property
    def container_concurrency(self) -> int:
        """Requests that a replica takes at a time, 0 for any number."""
        return self.entry.container_concurrency if self.entry else 0

    @property
    def active(self) -> int:
        """Requests that are being forwarded."""
        return self.gauge.level - self.queued

    @property
    def queued(self) -> int:
        """Requests that are held."""
        return len(self.waiting) + len(self.waiting_again)

    @property
    def is_idle(self) -> bool:
        """Whether no request is here and the last report has said so."""
        return self.gauge.level == 0 and self.idle_told

    def enter(self, now: float) -> None:
        """Count a request in.

        Raises:
            QueueFull: there are as many as may be; the caller must not call `leave`.
        """
        if self.gauge.level >= self.limit:
            raise QueueFull
        self.gauge.change(1, now)
        self.idle_told = False
        if not self.replicas and not self.poked:
            self.poke()

    def leave(self, now: float) -> None:
        """Count a request out, however it ended."""
        self.gauge.change(-1, now)
        if self.gauge.level == 0:
            self.poked = False

    def poke(self) -> None:
        """Ask for a replica."""
        self.poked = True
        self.on_poke(self.key)

    def wait(self, place: Place, now: float) -> None:
        """Give the place a replica as soon as there is one with room."""
        place.since_s = now
        (self.waiting_again if place.again else self.waiting)[place] = None
        self.dispatch(now)

    def give_up(self, place: Place, now: float) -> None:
        """A place is not wanted any more; a replica that it has got has room again."""
        self.waiting.pop(place, None)
        self.waiting_again.pop(place, None)
        got = place.replica
        if got.done() and not got.cancelled() and got.exception() is None:
            self.release(place, now)

    def release(self, place: Place, now: float, *, answered: bool = False) -> None:
        """The place's replica has one request less; one that has answered is suspect no longer."""
        replica = place.replica.result()
        replica.in_flight -= 1
        replica.again -= place.again
        if answered:
            replica.suspect_until_s = None
        self.dispatch(now)

    def tell(self, entry: TableEntry, now: float) -> None:
        """Take the control plane's word for the ports; a replica that stays keeps its count."""
        self.gone_at_s = None
        had = bool(self.replicas)
        self.entry = entry
        self.replicas = {port: self.replicas.get(port) or Replica(port) for port in entry.ports}
        if self.replicas:
            self.poked = False
            self.replicas_since_s = self.replicas_since_s if had else now
        elif had and self.gauge.level:
            self.poke()
        self.dispatch(now)

    def lose(self, now: float) -> None:
        """The control plane's table does not name the revision any more; it may be an unfinished one."""
        self.gone_at_s = now if self.gone_at_s is None else self.gone_at_s
        self.replicas = {}

    def is_gone(self, now: float) -> bool:
        """Whether it has not been named for so long that nobody need wait for it."""
        return self.gone_at_s is not None and now - self.gone_at_s >= GONE_AFTER_S

    def end(self, why: type[RevisionGone] | type[Dropped]) -> None:
        """There will be no replica: whoever waits is told why."""
        self.entry = None
        self.replicas = {}
        for place in (*self.waiting_again, *self.waiting):
            if not place.replica.done():
                place.replica.set_exception(why())
        self.waiting_again.clear()
        self.waiting.clear()

    def dispatch(self, now: float) -> None:
        """Give replicas to those who wait, first come first served, and first to those who have had one."""
        for queue in (self.waiting_again, self.waiting):
            while queue and self.replicas:
                place = next(iter(queue))
                if not place.replica.done():
                    replica = self._pick(place, now)
                    if replica is None:
                        break
                    self.turn += 1
                    replica.in_flight += 1
                    replica.again += place.again
                    place.replica.set_result(replica)
                del queue[place]

    def _pick(self, place: Place, now: float) -> Replica | None:
        alone = place.again and now - max(place.since_s, self.replicas_since_s) < ALONE_S
        able = [replica for replica in self.replicas.values() if not (alone and replica.again)]
        return pick_replica(able, self.container_concurrency, turn=self.turn, now=now, draw=self.draw)

    def wanting(self) -> str:
        """What the next request in the queue waits for, in words."""
        if not self.replicas:
            return "a ready replica"
        if any(replica.suspect_until_s is not None for replica in self.replicas.values()):
            return "a replica that takes connections"
        limit = f"{self.container_concurrency} requests (containerConcurrency)"
        return f"a replica with less than {limit if self.container_concurrency else f'{AT_ONCE} requests'}"

    def report(self, now: float) -> Report | None:
        """What happened since the last call; None where nothing did and the last report has said so.

        To be called in every interval, also without requests: the first request after a pause is an average over its
        own interval then, not over the pause.
        """
        was_idle = self.is_idle
        concurrency, rps = self.gauge.take(now)
        if was_idle:
            return None
        self.idle_told = concurrency == 0 and rps == 0 and self.gauge.level == 0
        return Report(active=self.active, queued=self.queued, concurrency=concurrency, rps=rps)
