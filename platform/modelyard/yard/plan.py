"""What `up` will do, decided from what was observed; nothing here acts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from modelyard.yard.marks import SUPERVISOR, Marked, find_strays

HUNG_AFTER_S = 60.0
"""A service that has run for so long and does not answer its probe is started anew."""


@dataclass(frozen=True)
class Seen:
    """What was observed of one service.

    Attributes:
        state: the supervisor's word, "" where it knows nothing.
        pid: of the process that it runs.
        uptime_s: seconds since that process began.
        ready: whether its probe was answered.
        digest: of what it was started from.
        told: what stands between it and ready: the probe's words, or the supervisor's where no process runs.
        waits_s: seconds until its next start, None where it is not held back.
        short_lives: how many lives in a row ended soon after their start.
    """

    state: str = ""
    pid: int | None = None
    uptime_s: float | None = None
    ready: bool = False
    digest: str = ""
    told: str = ""
    waits_s: float | None = None
    short_lives: int = 0


@dataclass(frozen=True)
class Observed:
    """What was observed of a yard before anything was done."""

    supervisor_pid: int | None
    services: Mapping[str, Seen] = field(default_factory=dict)
    marked: Sequence[Marked] = ()


@dataclass(frozen=True)
class Wanted:
    """A service as the plan sees it: what it needs, and the digest of what it would be started from."""

    name: str
    needs: tuple[str, ...]
    digest: str
    survivors: bool = False


@dataclass(frozen=True)
class Operation:
    """One thing to do, and why."""

    verb: str
    target: str
    cause: str

    def __str__(self) -> str:
        return f"{self.verb} {self.target}: {self.cause}"


@dataclass(frozen=True)
class Plan:
    """`end` strays, then the `supervisor`, then every service: `start`, `restart` or `keep`."""

    end: tuple[Marked, ...]
    supervisor: Operation
    services: tuple[Operation, ...]

    def __str__(self) -> str:
        ended = [
            f"end {p.service or p.name} (pid {p.pid}): it is of this yard, and nobody supervises it" for p in self.end
        ]
        return "\n".join([*ended, str(self.supervisor), *map(str, self.services)])

    @property
    def ends_first(self) -> tuple[Marked, ...]:
        """Strays that are ended before anything is started."""
        return tuple(stray for stray in self.end if not self._has_successor(stray))

    def ends_before(self, service: str) -> tuple[Marked, ...]:
        """Strays that go on until this service is about to be started.

        What a killed supervisor has left still does its work: a gateway answers until the moment of its successor.
        """
        return tuple(stray for stray in self.end if stray.service == service and self._has_successor(stray))

    def _has_successor(self, stray: Marked) -> bool:
        return self.supervisor.verb == "start" and stray.service in {operation.target for operation in self.services}

    @property
    def starts(self) -> tuple[str, ...]:
        """Services that are not running now, or will not be for a moment."""
        return tuple(operation.target for operation in self.services if operation.verb != "keep")


def plan_up(wanted: Iterable[Wanted], observed: Observed) -> Plan:
    """Decide what brings a yard up.

    Without a living supervisor every process of the yard is a stray and is ended. With one, those are strays that it
    does not know. Children of a service that finds them again (model servers) are left to it either way.
    """
    services = tuple(wanted)
    alive = observed.supervisor_pid is not None
    supervised = {observed.supervisor_pid} if observed.supervisor_pid else set()
    supervised |= {seen.pid for seen in observed.services.values() if seen.pid}
    survivors = {service.name for service in services if service.survivors}
    strays = find_strays(observed.marked, supervised=supervised, keep=survivors, is_supervised_yard=alive)
    return Plan(
        end=tuple(strays),
        supervisor=Operation("keep", SUPERVISOR, f"it answers (pid {observed.supervisor_pid})")
        if alive
        else Operation("start", SUPERVISOR, "none answers"),
        services=tuple(_decide(service, observed.services.get(service.name, Seen()), alive) for service in services),
    )


def _decide(service: Wanted, seen: Seen, alive: bool) -> Operation:
    if not alive or seen.state not in ("RUNNING", "STARTING", "BACKOFF"):
        state = seen.state.lower() if alive and seen.state else "not running"
        return Operation("start", service.name, f"it is {state}")
    if seen.waits_s is not None or seen.state == "BACKOFF":
        return Operation("restart", service.name, "it ended again and again, and is held back")
    if seen.digest != service.digest:
        return Operation("restart", service.name, "what it is started from has changed")
    if seen.ready:
        return Operation("keep", service.name, f"ready (pid {seen.pid})")
    if seen.uptime_s is not None and seen.uptime_s > HUNG_AFTER_S:
        return Operation("restart", service.name, f"it has run for {seen.uptime_s:.0f}s and does not answer")
    return Operation("keep", service.name, f"it is {seen.state.lower()}")


def find_ready_to_start(needs: Mapping[str, Iterable[str]], ready: set[str], begun: set[str]) -> list[str]:
    """Services that have not begun and whose needs are all ready, in the order of `needs`; needs outside it count
    as ready."""
    return [
        name for name in needs if name not in begun and all(need in ready or need not in needs for need in needs[name])
    ]
