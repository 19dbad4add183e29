"""A monitor that takes events and cannot write its reports: windows wait, and their number grows."""

from __future__ import annotations

from pathlib import Path

from modelyard.connections import Connections
from modelyard.errors import FaultNotMade
from modelyard.faults.fault import Fault, Prepared, Say
from modelyard.faults.records import FaultRecord, kept_folder
from modelyard.faults.targets import REGISTERED, VERSION, pick
from modelyard.faults.traffic import closed_windows, ordinary_flights, read_flights, send_until
from modelyard.settings import Settings
from modelyard.waiting import wait_until

RUN = "modelyard.dev/run-id"
MARK = "A file where the monitor needs a folder.\n"
WINDOWS = 2
JUDGED_DEADLINE_S = 60.0


class BacklogGrows(Fault):
    """A file lies where the reports of the served version belong."""

    kind, how = "monitor", "backlog"
    breaks = "puts a file where the monitor writes its reports, and sends two windows of flights"
    notice = "the monitor answers and takes every event; windows wait for their verdict, and nothing tells drift"
    look = ("./invoke logs monitor", "./invoke open monitor")
    repair = "take the file away that its log names"

    def prepare(self, conn: Connections, settings: Settings, name: str) -> Prepared:
        """The reports of the version that is served."""
        service = pick(conn, settings, name)
        run = service.annotations.get(RUN)
        if not run or service.annotations.get(REGISTERED) != "flights":
            raise FaultNotMade(
                f"InferenceService {service.name} does not serve the model flights",
                next_command="./invoke promote --why 'To have something to break'",
            )
        ordinary_flights(conn, lambda line: None)
        held = {"namespace": service.namespace, "name": service.name, "version": service.annotations[VERSION]}
        told = "a file lies where it writes the reports of its windows"
        return Prepared("service monitor", told, {**held, "run": run})

    def make(self, conn: Connections, settings: Settings, record: FaultRecord, say: Say) -> None:
        """Move the folder of reports away, put a file in its place, and give the monitor something to do."""
        reports, kept = _places(conn, record)
        kept.parent.mkdir(parents=True, exist_ok=True)
        if reports.is_dir() and not kept.exists():
            reports.rename(kept)
        reports.write_text(MARK, "utf-8")
        closed = closed_windows(conn, record.held)
        wanted = closed() + WINDOWS
        flights = read_flights(ordinary_flights(conn, say))
        sent = send_until(conn, record.held, flights, enough=lambda: closed() >= wanted, label=f"backlog-{wanted}")
        say(f"{sent} ordinary flights sent; {WINDOWS} windows wait for a verdict")
        _wait_tried(conn, reports, record.since)

    def undo(self, conn: Connections, settings: Settings, record: FaultRecord, say: Say) -> str:
        """Take the file away and put the reports back, and wait while the monitor tries each waiting window again."""
        reports, kept = _places(conn, record)
        if reports.is_file() and reports.read_text("utf-8") == MARK:
            reports.unlink()
        if kept.is_dir():
            _put_back(kept, reports)
        return f"the monitor can write its reports again; {_wait_judged(conn, record)}"

    def is_there(self, conn: Connections, record: FaultRecord) -> bool:
        """Whether the file is there."""
        return _places(conn, record)[0].is_file()


def _places(conn: Connections, record: FaultRecord) -> tuple[Path, Path]:
    run = record.held["run"]
    return conn.layout.data("monitor") / "reports" / run, kept_folder(conn, "monitor") / run


def _wait_tried(conn: Connections, reports: Path, since: float) -> None:
    """Wait until the monitor has met the file, which its log tells; a process that is slow to start meets it later."""
    from contextlib import suppress

    from modelyard.errors import WaitTimeout
    from modelyard.why.watching import written_at
    from modelyard.yard.conditions import read_tail

    def met() -> bool:
        lines = read_tail(conn.layout.log("monitor"))
        return any(str(reports) in line and written_at(line) >= int(since) for line in lines)

    with suppress(WaitTimeout):
        wait_until(met, what="the monitor to meet the file", deadline_s=JUDGED_DEADLINE_S, interval_s=0.25)


def _wait_judged(conn: Connections, record: FaultRecord) -> str:
    """Wait until no window waits, where the monitor answers; what is the case then."""
    from modelyard.errors import ServiceFailed, WaitTimeout
    from modelyard.monitor.client import Monitor

    monitor = Monitor(conn, record.held["name"], record.held["namespace"])
    try:
        wait_until(
            lambda: monitor.status()["backlog"]["windows"] == 0,
            what="the waiting windows to be judged",
            deadline_s=JUDGED_DEADLINE_S,
            interval_s=0.25,
        )
    except WaitTimeout:
        return "what waits is judged one by one"
    except ServiceFailed:
        return "it judges what waits when it is up"
    return "no window waits"


def _put_back(kept: Path, reports: Path) -> None:
    """Move a folder to its place; where a new one has been made meanwhile its files stay and the others join them."""
    if not reports.exists():
        kept.rename(reports)
        return
    for path in kept.iterdir():
        if not (reports / path.name).exists():
            path.rename(reports / path.name)
