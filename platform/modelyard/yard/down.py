"""`down`: no process, no port, no socket of the yard is left; its data stays."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from modelyard.connections import connect
from modelyard.settings import Settings
from modelyard.yard import marks, supervision
from modelyard.yard.layout import Layout
from modelyard.yard.lock import changing
from modelyard.yard.record import read_record
from modelyard.yard.up import yard_folder

SWEEPS = 10


def take_down(settings: Settings, *, say: Callable[[str], None] = lambda line: None) -> bool:
    """Take the yard of these settings down; harmless where it is down. Returns whether there was anything to end.

    Raises:
        YardError: a process could not be ended.
    """
    folder = yard_folder(settings)
    if read_record(folder / "yard.json") is None:
        return False
    with changing(folder, deadline_s=settings.up_deadline_s, say=say):
        return end_everything(settings)


def end_everything(settings: Settings) -> bool:
    """Stop by the supervisor, then sweep by the mark; for a caller that holds the yard's lock."""
    conn = connect(yard_folder(settings), settings)
    found = marks.find_marked(conn.layout.yard_id)
    if found:
        _stop_by_supervisor(conn, found, settings)
        _sweep(conn.layout.yard_id, settings)
    remove_sockets(conn.layout)
    return bool(found)


def _sweep(yard_id: str, settings: Settings) -> None:
    """End what is left, again where a process that was being ended has made another meanwhile."""
    for _ in range(SWEEPS):
        left = marks.find_marked(yard_id)
        if not left:
            return
        marks.end(left, deadline_s=settings.stop_deadline_s)


def _stop_by_supervisor(conn: supervision.Connections, found: list[marks.Marked], settings: Settings) -> None:
    """Services end first, so that the supervisor does not start them anew; one that is not there is no error."""
    try:
        with supervision.supervisor_of(conn) as client:
            if client.pid() not in {process.pid for process in found}:
                return
            client.stop_all()
            client.shut_down()
    except OSError:
        return


def remove_sockets(layout: Layout) -> None:
    """Remove the folder of Unix sockets."""
    shutil.rmtree(layout.runtime, ignore_errors=True)
