"""Every fault, once: the tasks, their help and docs/lessons.md are made from this list."""

from __future__ import annotations

from modelyard.errors import NameUnknown
from modelyard.faults.data import DataDrifts, FileDamagedOnDisk
from modelyard.faults.fault import Fault
from modelyard.faults.model import BytesChanged, WrongAnswers
from modelyard.faults.monitor import BacklogGrows
from modelyard.faults.processes import MonitorStopped, ReplicaHangs, StoreGone, StoreRefuses
from modelyard.faults.records import FaultRecord
from modelyard.faults.replica import ReplicaCrashes

FAULTS: tuple[Fault, ...] = (
    ReplicaCrashes(),
    ReplicaHangs(),
    StoreGone(),
    StoreRefuses(),
    BytesChanged(),
    WrongAnswers(),
    DataDrifts(),
    FileDamagedOnDisk(),
    MonitorStopped(),
    BacklogGrows(),
)
"""The first of a kind is what `break KIND` does."""
KINDS = tuple(dict.fromkeys(fault.kind for fault in FAULTS))


def find_fault(kind: str, how: str = "") -> Fault:
    """A fault by its kind and way; the first of its kind without a way.

    Raises:
        NameUnknown: there is none; the message lists what there is.
    """
    found = next((fault for fault in FAULTS if fault.kind == kind and how in ("", fault.how)), None)
    if found is not None:
        return found
    if kind not in KINDS:
        raise NameUnknown(
            f"there is nothing called {kind!r} to break" if kind else "what shall be broken?",
            allowed=", ".join(KINDS),
            next_command=f"./invoke break {KINDS[0]}",
        )
    ways = [fault.how for fault in FAULTS if fault.kind == kind]
    raise NameUnknown(
        f"a {kind} does not break by {how!r}",
        allowed=", ".join(ways),
        next_command=f"./invoke break {kind} --how {ways[0]}",
    )


def fault_of(record: FaultRecord) -> Fault:
    """The fault of a record."""
    return find_fault(record.kind, record.how)
