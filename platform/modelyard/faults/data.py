"""Data that are not what the model was trained on, and a data file that is not what its .dvc file names."""

from __future__ import annotations

import secrets
import shutil
from typing import Any

from modelyard.connections import Connections
from modelyard.errors import FaultNotMade
from modelyard.faults.fault import Fault, Prepared, Say
from modelyard.faults.records import FaultRecord, kept_folder
from modelyard.faults.targets import REGISTERED, VERSION, pick, version_now
from modelyard.faults.traffic import closed_windows, ordinary_flights, read_flights, scaled, send_until
from modelyard.monitor.client import Monitor
from modelyard.settings import Settings
from modelyard.waiting import wait_until

COLUMN, FACTOR = "dep_delay", 60.0
REPORT_DEADLINE_S = 90.0
DATA, POINTER = "data/flights.parquet", "data/flights.parquet.dvc"


class DataDrifts(Fault):
    """A sender gives the delay in seconds where the model learned minutes."""

    kind, how = "data", "drift"
    breaks = f"sends a window of flights whose {COLUMN} is in seconds, where the model learned minutes"
    notice = f"every request is answered 200; the drift window closes and InputDrift fires, column {COLUMN} first"
    look = ("./invoke open monitor", "./invoke open prometheus")
    repair = "find who sends the column in another unit; the monitor's page names it"

    def prepare(self, conn: Connections, settings: Settings, name: str) -> Prepared:
        """An InferenceService that serves the story's model, and flights to send."""
        service = pick(conn, settings, name)
        if service.annotations.get(REGISTERED) != "flights":
            raise FaultNotMade(
                f"InferenceService {service.name} does not serve the model flights",
                next_command="./invoke promote --why 'To have something to break'",
            )
        ordinary_flights(conn, lambda line: None)
        held = {"namespace": service.namespace, "name": service.name, "version": service.annotations[VERSION]}
        told = f"flights came with {COLUMN} in seconds instead of minutes"
        return Prepared(service.target, told, {**held, "column": COLUMN, "factor": FACTOR})

    def make(self, conn: Connections, settings: Settings, record: FaultRecord, say: Say) -> None:
        """Send a window of them, and wait until it is judged."""
        sent, last = send_window(conn, record, record.held["factor"], say)
        if not last.get("drifted"):
            raise FaultNotMade(f"{sent} rows in seconds did not drift: {last}", next_command="./invoke open monitor")
        say(f"{sent} flights sent; the window drifted")

    def undo(self, conn: Connections, settings: Settings, record: FaultRecord, say: Say) -> str:
        """Send a window of ordinary flights: the count of drifted windows in a row begins anew."""
        service_version = version_now(conn, record.held)
        if service_version != record.held["version"]:
            return f"{record.target} serves another version meanwhile"
        sent, last = send_window(conn, record, 1.0, say)
        verdict = "drifted" if last.get("drifted") else "did not drift"
        return f"{sent} ordinary flights sent; their window {verdict}"


def send_window(conn: Connections, record: FaultRecord, factor: float, say: Say) -> tuple[int, dict[str, Any]]:
    """Send flights until the monitor has closed one window of them; how many, and the window's verdict.

    Raises:
        YardError: the model or the monitor does not answer, or no verdict came in time.
    """
    held = record.held
    monitor, closed = Monitor(conn, held["name"], held["namespace"]), closed_windows(conn, held)
    monitor.begin_phase("broken on purpose" if factor != 1.0 else "mended")
    before = closed()
    flights = scaled(read_flights(ordinary_flights(conn, say)), held["column"], factor)
    label = secrets.token_hex(4)
    sent = send_until(conn, held, flights, enough=lambda: closed() > before, label=label)

    def judged() -> dict[str, Any] | None:
        known = monitor.version(held["version"]) or {"drift": {}}
        if known["drift"].get("waiting") or known["drift"].get("windows", 0) <= 0:
            return None
        return known["drift"].get("last")

    last = wait_until(
        judged,
        what="the monitor to judge the window",
        deadline_s=REPORT_DEADLINE_S,
        interval_s=0.25,
        next_command="./invoke why monitor",
    )
    return sent, last


class FileDamagedOnDisk(Fault):
    """The second half of the data file is lost, as after a copy that was cut or a disk that was full."""

    kind, how = "data", "file"
    breaks = "cuts the data file of the workspace in half"
    notice = "`dvc status` says that it was changed; `./invoke train` cannot read it; what is deployed is not touched"
    look = ("dvc status", "git log --stat")
    repair = "`./invoke data v1`"

    def prepare(self, conn: Connections, settings: Settings, name: str) -> Prepared:
        """Keep the file and its pointer as they are."""
        from modelyard.workspace.project import file_md5

        path = conn.layout.workspace / DATA
        if not path.exists():
            raise FaultNotMade("the workspace has no data yet", next_command="./invoke data v1")
        folder = kept_folder(conn, self.kind)
        folder.mkdir(parents=True, exist_ok=True)
        kept = folder / f"{secrets.token_hex(4)}-flights.parquet"
        shutil.copyfile(path, kept)
        kept.with_suffix(".dvc").write_text((conn.layout.workspace / POINTER).read_text("utf-8"), "utf-8")
        held = {"kept": str(kept.relative_to(conn.layout.folder)), "md5": file_md5(path), "size": path.stat().st_size}
        return Prepared("data flights.parquet", f"{DATA} was cut to half of its {held['size']} bytes", held)

    def make(self, conn: Connections, settings: Settings, record: FaultRecord, say: Say) -> None:
        """Cut a copy and put it in the file's place: DVC's cache may be the same file by a link."""
        from modelyard.workspace.project import file_md5

        path = conn.layout.workspace / DATA
        if file_md5(path) == record.held["md5"]:
            part = path.with_name(".flights.cut")
            part.write_bytes((conn.layout.folder / record.held["kept"]).read_bytes()[: record.held["size"] // 2])
            part.replace(path)

    def undo(self, conn: Connections, settings: Settings, record: FaultRecord, say: Say) -> str:
        """Put the file back, and its pointer where DVC has taken the damaged file for a new one."""
        from modelyard.workspace.lock import hold_lock
        from modelyard.workspace.project import file_md5, pointer_md5

        path, pointer = conn.layout.workspace / DATA, conn.layout.workspace / POINTER
        kept = conn.layout.folder / record.held["kept"]
        with hold_lock(conn.layout.workspace.parent / ".workspace.lock", say):
            cut = path.exists() and path.stat().st_size == record.held["size"] // 2
            if kept.exists() and (cut or not path.exists()):
                damaged = file_md5(path) if path.exists() else ""
                if pointer_md5(pointer.read_text("utf-8")) in (damaged, record.held["md5"]):
                    pointer.write_text(kept.with_suffix(".dvc").read_text("utf-8"), "utf-8")
                part = path.with_name(".flights.whole")
                shutil.copyfile(kept, part)
                part.replace(path)
        kept.unlink(missing_ok=True)
        kept.with_suffix(".dvc").unlink(missing_ok=True)
        return f"{DATA} is whole" if cut else f"{DATA} was made anew meanwhile and stays as it is"
