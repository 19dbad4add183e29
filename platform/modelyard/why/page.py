"""A diagnosis as lines for a person; pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from modelyard.faults.records import FaultRecord
from modelyard.why.facts import Diagnosis, Facts
from modelyard.why.objects import clock

LONGEST = 400
FIELD = 11


def render(found: Diagnosis) -> list[str]:
    """One diagnosis whole."""
    lines = [found.subject, _field("condition", found.condition), _field("cause", _cut(found.cause))]
    lines += [_field("events" if place == 0 else "", _cut(event)) for place, event in enumerate(found.events)]
    if found.log_line:
        lines.append(_field("log", _cut(found.log_line)))
        if found.log:
            lines.append(_field("", f"in {found.log}"))
    if found.fault:
        lines.append(_field("on purpose", describe_fault(found.fault)))
    if found.next_command:
        lines.append(_field("next", found.next_command))
    return lines


def render_all(facts: Facts, found: Sequence[Diagnosis], unseen: Sequence[FaultRecord]) -> list[str]:
    """The worst whole, the others in a line each, then faults that nothing shows, and what was looked at."""
    if not found:
        lines = ["nothing is wrong"]
    else:
        lines = render(found[0])
        for cause, others in groupby(found[1:], key=lambda other: (other.cause, other.next_command)):
            subjects = ", ".join(other.subject for other in others)
            lines += [f"also: {subjects}: {_cut(cause[0], 160)}", f"  next: {cause[1]}"]
    lines += [f"on purpose, and nothing shows it: {fault.target}: {describe_fault(fault)}" for fault in unseen]
    return [*lines, f"looked at: {looked_at(facts)}"]


def describe_fault(fault: FaultRecord) -> str:
    """A fault in a line."""
    return f"since {clock(fault.since)}: {fault.told} ({fault.undo})"


def looked_at(facts: Facts) -> str:
    """What was looked at, and what could not be asked."""
    seen = [_count(len(facts.conditions), "service")]
    silent = []
    for held, one in ((facts.services, "InferenceService"), (facts.alerts, "alert")):
        if held is None:
            silent.append(f"{one}s")
        else:
            seen.append(_count(len(held), one))
    seen += [_count(len(facts.events), "event"), _count(len(facts.replica_logs), "log", "of replicas")]
    if facts.monitor is None:
        silent.append("the monitor")
    else:
        seen.append("the monitor")
    if facts.data is not None:
        seen.append("the data")
    told = ", ".join(seen)
    return f"{told}; could not be asked: {', '.join(silent)}" if silent else told


def _count(number: int, one: str, more: str = "") -> str:
    return f"{number} {one}{'' if number == 1 else 's'} {more}".rstrip()


def _field(name: str, value: str) -> str:
    return f"  {name:<{FIELD}}{value}"


def _cut(text: str, longest: int = LONGEST) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"
