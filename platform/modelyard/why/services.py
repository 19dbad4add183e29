"""Rules about services: which one is the cause, and which only suffer from it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from modelyard.why.facts import Diagnosis, Facts
from modelyard.yard.conditions import Condition

KIND = {"objectstore": "store", "monitor": "monitor"}
WELL = ("ready", "left out")
REFUSED = re.compile(r"\b(401|403)\b|InvalidAccessKeyId|SignatureDoesNotMatch|AccessDenied")
STOPPED = "it was stopped, and the supervisor leaves it so until the next up"
ALL_DOWN = "the yard is down"


def diagnose_services(facts: Facts) -> Iterator[Diagnosis]:
    """Services that are not ready: causes first, then those that need one of them."""
    bad = [held for held in facts.conditions if is_bad(held, facts)]
    if bad and not facts.supervised and all(held.pid is None for held in facts.conditions):
        yield Diagnosis("the yard", 0, ALL_DOWN, "nobody has brought it up, or it was taken down", "./invoke up")
        return
    names = {held.service for held in bad}
    for held in bad:
        yield diagnose_service(held, facts, [need for need in facts.needs.get(held.service, ()) if need in names])


def is_bad(held: Condition, facts: Facts) -> bool:
    """Whether something is wrong with a service; an optional one may be missing."""
    return held.state not in WELL and not (held.service in facts.optional and held.state == "down")


def diagnose_service(held: Condition, facts: Facts, waits_for: list[str]) -> Diagnosis:
    """What is wrong with one service."""
    cause, command = _cause(held, facts)
    rank = 4 if held.state == "starting" else 0
    if waits_for:
        cause, rank = f"it needs {', '.join(waits_for)}, which is not ready; {cause}", max(rank, 1)
        command = f"./invoke why {waits_for[0]}"
    return Diagnosis(
        subject=f"service {held.service}",
        rank=rank,
        condition=describe_condition(held),
        cause=cause,
        next_command=command,
        kind=KIND.get(held.service, ""),
        log_line="" if cause == STOPPED else held.log_line,  # it did not end by itself: an old error says nothing
    )


def describe_condition(held: Condition) -> str:
    """A service's condition in a line."""
    parts: list[str] = [held.state]
    if held.pid is not None:
        parts.append(f"pid {held.pid}")
    if held.uptime_s is not None:
        parts.append(f"up for {held.uptime_s:.0f}s")
    if held.restarts:
        parts.append(f"{held.restarts} restarts since the last up")
    return ", ".join(parts)


def _cause(held: Condition, facts: Facts) -> tuple[str, str]:
    """Why a service is not ready, and the command that repairs it."""
    if held.pid in facts.frozen:
        return f"its process {held.pid} is frozen: a signal has stopped it (SIGSTOP)", f"kill -CONT {held.pid}"
    if held.state == "down":
        return STOPPED, "./invoke up"
    if held.service == "objectstore" and REFUSED.search(held.told):
        told = "it runs and refuses the yard's own key: it was started with another one"
        return f"{told} ({held.told})", "./invoke up"
    if held.state == "crash looping":
        return f"it ends soon after each start: {held.told}", f"./invoke logs {held.service}"
    itself = held.next_command == f"./invoke why {held.service}"
    command = held.next_command if held.next_command and not itself else "./invoke up"
    return held.told or "it does not answer", command
