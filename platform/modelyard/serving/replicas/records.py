"""What is known of each replica: a small file that the replica itself keeps, believed only with its process.

One file a replica, NAME.json, replaced whole. The replica writes it while it lives, the warm parent when it has seen it
end. A control plane or a warm parent that was killed finds every replica again here.
"""

from __future__ import annotations

import json
import os
import signal
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import psutil

SIGNALLED = 128
"""An exit code above it is 128 + the number of the signal, as a shell tells it."""
State = Literal["starting", "serving", "failed", "exited"]


@dataclass(frozen=True)
class ReplicaSpec:
    """What a replica is to be. It is written down, so no secret stands in it.

    Attributes:
        logger: KServe's LoggerSpec with the values of its annotations filled in.
        container_concurrency: requests at a time; 0 = no limit.
        env: variables of the predictor's `env`.
        args: arguments of the predictor's model server.
        protocol: "v1" or "v2".
        timeout_s: seconds that a request may take; 0 = the yard's own limit.
        gpus: devices that it may see (CUDA_VISIBLE_DEVICES).
    """

    name: str
    namespace: str
    inferenceservice: str
    revision: str
    model_format: str
    storage_uri: str
    digest: str | None = None
    logger: dict[str, Any] | None = None
    container_concurrency: int = 0
    env: dict[str, str] = field(default_factory=dict)
    args: list[str] = field(default_factory=list)
    protocol: str = "v1"
    timeout_s: int = 0
    gpus: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ReplicaRecord:
    """A replica as it was last written down.

    Attributes:
        start_time: when the process started, by the kernel's word; with the pid it names one process for good.
        reason: why it failed, in one CamelCase word.
        exit_code: as a shell tells it, 128 + N for signal N; None where nobody saw the end.
        ended: seconds since 1970; 0 while it runs.
        stopping: it was asked to end.
        noted: the warm parent has seen the end and written it down; else only the process is gone.
    """

    spec: ReplicaSpec
    pid: int
    start_time: str
    port: int
    state: State = "starting"
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    ended: float = 0.0
    stopping: bool = False
    noted: bool = True

    @property
    def name(self) -> str:
        """Name of the replica, unique in the yard."""
        return self.spec.name

    @property
    def address(self) -> str:
        """Where the replica answers."""
        return f"http://127.0.0.1:{self.port}"


def start_time_of(pid: int) -> str | None:
    """When a process started, or None where there is none or it is a zombie.

    Clock ticks since boot on Linux, which no change of the clock moves; elsewhere seconds since 1970.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
        return _start_time_by_psutil(pid)
    except ProcessLookupError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def _start_time_by_psutil(pid: int) -> str | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.NoSuchProcess:
        return None


def is_alive(record: ReplicaRecord) -> bool:
    """Whether the very process of the record runs."""
    return record.state != "exited" and start_time_of(record.pid) == record.start_time


def record_path(folder: Path, name: str) -> Path:
    """File of a replica."""
    return folder / f"{name}.json"


def write_replica_record(folder: Path, record: ReplicaRecord) -> None:
    """Replace the file of a replica whole."""
    part = folder / f".{record.name}.{os.getpid()}.part"
    part.write_text(json.dumps(asdict(record)), "utf-8")
    part.replace(record_path(folder, record.name))


def read_replica_record(path: Path) -> ReplicaRecord | None:
    """A record, or None where there is none or it is of another version of this file."""
    try:
        held = json.loads(path.read_text("utf-8"))
        return ReplicaRecord(**{**held, "spec": ReplicaSpec(**held["spec"])})
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


def read_replica_records(folder: Path, *, now: float) -> list[ReplicaRecord]:
    """Every replica on record, by name; one whose process is gone reads as exited, `now` if nobody saw it."""
    found = []
    for path in sorted(folder.glob("*.json")):
        record = read_replica_record(path)
        if record is None:
            continue
        if record.state != "exited" and not is_alive(record):
            # Read again: the replica may have written its last words between the two looks.
            record = read_replica_record(path) or record
            if record.state != "exited":
                record = replace(ended_record(record, exit_code=None, now=now), noted=False)
        found.append(record)
    return found


def ended_record(record: ReplicaRecord, *, exit_code: int | None, now: float, log: str = "") -> ReplicaRecord:
    """The record of a replica that has ended; a replica that told its failure keeps its own words.

    Args:
        record: its last one.
        exit_code: None where nobody saw it.
        now: seconds since 1970.
        log: the end of its log.
    """
    reason, message = record.reason, record.message
    if record.state != "failed":
        reason = "ContainerCrashing"
        message = f"replica {record.name} {_exit_told(exit_code)}"
        # A signal leaves no traceback; one in the log is then of a request that was answered with an error.
        if exit_code is not None and 0 < exit_code < SIGNALLED:
            message = last_traceback_line(log) or message
    return replace(record, state="exited", reason=reason, message=message, exit_code=exit_code, ended=now, noted=True)


def _exit_told(exit_code: int | None) -> str:
    if exit_code is None:
        return "ended"
    if exit_code <= SIGNALLED:
        return f"ended with exit code {exit_code}"
    try:
        return f"was ended by {signal.Signals(exit_code - SIGNALLED).name} (exit code {exit_code})"
    except ValueError:
        return f"ended with exit code {exit_code}"


def last_traceback_line(text: str) -> str | None:
    """The line of the last traceback in a text that names the exception."""
    _, found, after = text.rpartition("Traceback (most recent call last):\n")
    lines = after.splitlines() if found else []
    return next((line.strip() for line in lines if line.strip() and not line[0].isspace()), None)


def forget_replica(folder: Path, name: str) -> None:
    """Remove the record of a replica that has ended and was taken note of."""
    record_path(folder, name).unlink(missing_ok=True)
