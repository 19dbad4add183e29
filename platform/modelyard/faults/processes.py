"""Faults of processes: a service that is stopped, refuses, or is frozen. `up` repairs each of them too."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal

import psutil

from modelyard.connections import Connections
from modelyard.errors import FaultNotMade, ServiceFailed
from modelyard.faults.fault import Fault, Prepared, Say
from modelyard.faults.records import FaultRecord
from modelyard.faults.targets import pick, replicas_of
from modelyard.services.catalog import BY_NAME
from modelyard.settings import Settings
from modelyard.waiting import wait_until
from modelyard.yard import supervision
from modelyard.yard.record import write_private

BACK_DEADLINE_S = 60.0
STOPPED_WITHIN_S = 10.0


class ServiceStopped(Fault):
    """A service that somebody has stopped: the supervisor keeps it stopped."""

    service: str
    repair = "`./invoke up`"

    def prepare(self, conn: Connections, settings: Settings, name: str) -> Prepared:
        """The service must run."""
        if not runs(conn, self.service):
            raise FaultNotMade(f"{self.service} does not run", next_command="./invoke up")
        return Prepared(f"service {self.service}", f"{self.service} is stopped")

    def make(self, conn: Connections, settings: Settings, record: FaultRecord, say: Say) -> None:
        """Stop it, as `supervisorctl stop` does."""
        with supervision.supervisor_of(conn) as supervisor:
            supervisor.stop(self.service)

    def undo(self, conn: Connections, settings: Settings, record: FaultRecord, say: Say) -> str:
        """Start it and wait for its probe; where the yard is down the next `up` does so."""
        return bring_back(conn, self.service)

    def is_there(self, conn: Connections, record: FaultRecord) -> bool:
        """Whether the supervisor still has it stopped; a yard that is down starts everything at the next `up`."""
        return state_of(conn, self.service) in ("STOPPED", "STOPPING")


class StoreGone(ServiceStopped):
    """The object store does not run."""

    kind, how, service = "store", "gone", "objectstore"
    breaks = "stops the object store (S3)"
    notice = "training, `dvc push` and MLflow's artifacts fail; what is loaded already goes on answering"
    look = ("./invoke logs objectstore", "./invoke predict")


class MonitorStopped(ServiceStopped):
    """The drift monitor does not run."""

    kind, how, service = "monitor", "stopped", "monitor"
    breaks = "stops the drift monitor"
    notice = "predictions go on and nobody watches them: ServiceDown fires, the model's series stand still"
    look = ("./invoke logs monitor", "./invoke open prometheus")


class StoreRefuses(Fault):
    """The object store runs and knows another key than its clients have."""

    kind, how = "store", "refuses"
    breaks = "gives the object store another key than its clients have"
    notice = "every access is answered 403, as after a key that was changed in one place only"
    look = ("./invoke logs objectstore", "./invoke logs mlflow")
    repair = "`./invoke up`"

    def prepare(self, conn: Connections, settings: Settings, name: str) -> Prepared:
        """The store must run."""
        if not runs(conn, "objectstore"):
            raise FaultNotMade("objectstore does not run", next_command="./invoke up")
        return Prepared("service objectstore", "objectstore has another key than its clients: it answers 403")

    def make(self, conn: Connections, settings: Settings, record: FaultRecord, say: Say) -> None:
        """Start it anew with a random key; the supervisor's digest says so, and the next `up` sees the difference."""
        self._restart(conn, settings, f'"yard{secrets.token_hex(8)},{secrets.token_hex(20)}"', "another-key")

    def undo(self, conn: Connections, settings: Settings, record: FaultRecord, say: Say) -> str:
        """Start it anew with the yard's key."""
        if not self._is_broken(conn):
            return "the object store has the yard's key"
        if state_of(conn, "objectstore") is None:
            return "the yard is down: the next ./invoke up starts the object store with the yard's key"
        self._restart(conn, settings, self._key(conn), "the-yards-key")
        return bring_back(conn, "objectstore")

    def is_there(self, conn: Connections, record: FaultRecord) -> bool:
        """Whether what the store is started from still has the other key."""
        return state_of(conn, "objectstore") is not None and self._is_broken(conn)

    def _is_broken(self, conn: Connections) -> bool:
        try:
            held = json.loads(supervision.launch_file(conn, "objectstore").read_text("utf-8"))
            return bool(held["env"]["RCLONE_AUTH_KEY"] != self._key(conn))
        except (OSError, ValueError, LookupError):
            return False  # the next `up` writes it anew

    @staticmethod
    def _key(conn: Connections) -> str:
        return f'"{conn.credentials.s3_key_id},{conn.credentials.s3_secret}"'

    @staticmethod
    def _restart(conn: Connections, settings: Settings, key: str, digest: str) -> None:
        from modelyard.yard.observation import started_digests

        place = supervision.launch_file(conn, "objectstore")
        held = json.loads(place.read_text("utf-8"))
        held["env"]["RCLONE_AUTH_KEY"] = key
        write_private(place, json.dumps(held, indent=2) + "\n")
        known = {name: held for name, held in started_digests(conn).items() if name in BY_NAME}
        digests = {**known, "objectstore": digest}
        configuration = supervision.render_configuration(conn, settings, digests)
        write_private(conn.layout.config / "supervisord.conf", configuration)
        with supervision.supervisor_of(conn) as supervisor:
            supervisor.reload()
            supervisor.stop("objectstore")
            supervisor.start("objectstore")


class ReplicaHangs(Fault):
    """A replica's process is frozen: it takes connections and answers nothing."""

    kind, how = "replica", "hang"
    breaks = "freezes one replica (SIGSTOP)"
    notice = "requests wait; after three silent liveness probes (half a minute) another replica takes its place"
    look = ("kubectl get pods", "kubectl describe isvc")
    repair = "the liveness probe does it; `kill -CONT PID` is quicker"

    def prepare(self, conn: Connections, settings: Settings, name: str) -> Prepared:
        """The youngest replica that is ready."""
        service = pick(conn, settings, name)
        replica = max(replicas_of(service), key=lambda found: found.started)
        held = {"pid": replica.pid, "started": replica.started, "pod": replica.pod}
        return Prepared(service.target, f"replica {replica.pod} is frozen (pid {replica.pid})", held)

    def make(self, conn: Connections, settings: Settings, record: FaultRecord, say: Say) -> None:
        """SIGSTOP, and what it takes until the last thread of the process has stopped."""
        self._send(record, signal.SIGSTOP)
        wait_until(
            lambda: self.is_there(conn, record), what=f"{record.held['pod']} to stop", deadline_s=STOPPED_WITHIN_S
        )

    def undo(self, conn: Connections, settings: Settings, record: FaultRecord, say: Say) -> str:
        """SIGCONT, where it is still that process."""
        if not self.is_there(conn, record):
            return f"replica {record.held['pod']} was replaced by the platform itself"
        self._send(record, signal.SIGCONT)
        return f"replica {record.held['pod']} goes on"

    def is_there(self, conn: Connections, record: FaultRecord) -> bool:
        """Whether that very process is there and stopped."""
        try:
            process = psutil.Process(record.held["pid"])
            same = process.create_time() == record.held["started"]
            return same and process.status() == psutil.STATUS_STOPPED
        except psutil.Error:
            return False

    @staticmethod
    def _send(record: FaultRecord, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            if psutil.Process(record.held["pid"]).create_time() == record.held["started"]:
                os.kill(record.held["pid"], number)


def state_of(conn: Connections, service: str) -> str | None:
    """The supervisor's word for a service; None where no supervisor answers."""
    try:
        with supervision.supervisor_of(conn) as supervisor:
            return supervisor.programs()[service].state
    except (OSError, KeyError):
        return None


def runs(conn: Connections, service: str) -> bool:
    """Whether the supervisor keeps a service running."""
    return state_of(conn, service) in ("RUNNING", "STARTING")


def bring_back(conn: Connections, service: str) -> str:
    """Start a service and wait until it answers; where the yard is down, say who will.

    Raises:
        ServiceFailed: it did not come.
    """
    import time

    from modelyard.yard.execution import make_ready

    if state_of(conn, service) is None:
        return f"the yard is down: the next ./invoke up starts {service}"
    try:
        make_ready(conn, BY_NAME[service], True, time.monotonic() + BACK_DEADLINE_S)
    except ServiceFailed as error:
        error.next_command = "./invoke up"
        raise
    return f"{service} answers"
