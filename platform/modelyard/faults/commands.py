"""What `break` and `mend` do and print."""

from __future__ import annotations

import time

from modelyard.connections import Connections, connect
from modelyard.console import say
from modelyard.errors import FaultInForce, NameUnknown, YardError
from modelyard.faults.catalog import KINDS, fault_of, find_fault
from modelyard.faults.records import FaultRecord, faults_file, in_force, read_records, write_records
from modelyard.settings import Settings, load_settings
from modelyard.yard.lock import changing
from modelyard.yard.up import yard_folder

UNDOING = ("store", "monitor", "model", "replica", "data")
"""The order in which faults are undone: a model comes back only from a store that answers."""


def break_(kind: str = "", *, how: str = "", name: str = "") -> None:
    """Break one thing, and say how one notices."""
    fault = find_fault(kind, how)
    settings = load_settings()
    record = make_fault(settings, kind, how=how, name=name)
    say(f"broken on purpose: {record.target}: {record.told}")
    say(f"  what one notices: {fault.notice}")
    for command in ("./invoke why", *fault.look):
        say(f"  look: {command}")
    say(f"  undo: {record.undo}")


def make_fault(settings: Settings, kind: str, *, how: str = "", name: str = "") -> FaultRecord:
    """Break one thing of the yard of these settings; its record, which is on disk before anything is broken.

    Raises:
        NameUnknown: there is no such fault.
        FaultInForce: one of this kind is in force already.
        FaultNotMade: there is nothing to break; nothing was changed.
    """
    fault = find_fault(kind, how)
    conn = connect(yard_folder(settings), settings)
    with changing(yard_folder(settings), deadline_s=settings.up_deadline_s, say=say):
        refuse_second(conn, kind)
        for stale in [record for record in read_records(faults_file(conn)) if record.kind == kind]:
            fault_of(stale).undo(conn, settings, stale, say)  # what it keeps goes back to its place
            forget(conn, stale)
        prepared = fault.prepare(conn, settings, name)
        record = FaultRecord(
            kind=kind,
            how=fault.how,
            since=time.time(),
            target=prepared.target,
            told=prepared.told,
            undo=f"./invoke mend {kind}",
            held=prepared.held,
        )
        write_records(faults_file(conn), [*read_records(faults_file(conn)), record])
        try:
            fault.make(conn, settings, record, say)
        except YardError:
            say(f"begun, and not done; what was begun is undone by {record.undo}")
            raise
    return record


def refuse_second(conn: Connections, kind: str) -> None:
    """Refuse a second fault of a kind.

    Raises:
        FaultInForce: there is one.
    """
    for held in in_force(conn):
        if held.kind == kind:
            since = time.strftime("%H:%M:%S", time.localtime(held.since))
            raise FaultInForce(
                f"{held.target} is broken on purpose since {since}: {held.told}", next_command=f"./invoke mend {kind}"
            )


def mend(kind: str = "") -> None:
    """Undo every fault, or those of a kind."""
    mended = mend_faults(load_settings(), kind)
    if not mended:
        say("mend: nothing is broken on purpose")


def mend_faults(settings: Settings, kind: str = "") -> list[FaultRecord]:
    """Undo faults, each with a line; one that cannot be undone now keeps its record, and the others go on.

    Raises:
        NameUnknown: there is no such kind.
        YardError: of the first one that could not be undone.
    """
    if kind and kind not in KINDS:
        raise NameUnknown(f"there is nothing called {kind!r} to mend", allowed=", ".join(KINDS))
    conn = connect(yard_folder(settings), settings)
    failed: list[YardError] = []
    mended = []
    with changing(yard_folder(settings), deadline_s=settings.up_deadline_s, say=say):
        found = [record for record in read_records(faults_file(conn)) if kind in ("", record.kind)]
        for record in sorted(found, key=lambda held: UNDOING.index(held.kind)):
            try:
                told = fault_of(record).undo(conn, settings, record, say)
            except YardError as error:
                failed.append(error)
                continue
            forget(conn, record)
            mended.append(record)
            say(f"mended {record.kind}: {told}")
    if failed:
        raise failed[0]
    return mended


def forget(conn: Connections, record: FaultRecord) -> None:
    """Take a fault off the list."""
    left = [held for held in read_records(faults_file(conn)) if held != record]
    write_records(faults_file(conn), left)
