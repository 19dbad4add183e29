"""The supervisor that keeps a yard's services: supervisord, spoken to by XML-RPC over a Unix socket of mode 0600.

Supervisor (supervisord.org) is chosen because it is well kept, pure Python, restarts and rotates logs, compares
configurations by itself, and its API needs no port.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import xmlrpc.client
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelyard.connections import FOLDER_VARIABLE, MARK_VARIABLE, REPOSITORY, Connections
from modelyard.errors import ServiceFailed
from modelyard.services.service import Process, Service
from modelyard.settings import Settings
from modelyard.waiting import wait_until
from modelyard.yard.lock import lock_path
from modelyard.yard.marks import SERVICE_VARIABLE, SUPERVISOR
from modelyard.yard.record import write_private

START_DEADLINE_S = 10.0
LOG_BYTES = 10 * 1024 * 1024
LOG_BACKUPS = 2
NEVER_GIVE_UP = 10**9
"""Starts in a row that may fail before a program runs: a disk or a process table that was full comes back."""
LAUNCHER = Path(__file__).with_name("launch.py")
KEEPER = "keeper"
KEEPER_PROGRAM = Path(__file__).with_name("keeper.py")
DROPPED = ("AWS_", "MLFLOW_", "PYTHON", "GF_", "RCLONE_", "DVC_", "MODELYARD_", "KUBECONFIG", "PROMETHEUS_", "OTEL_")
"""Variables of the person's shell that would change what a service does."""


@dataclass(frozen=True)
class Program:
    """A service as the supervisor sees it. `state` is supervisord's word: RUNNING, STARTING, BACKOFF, FATAL..."""

    name: str
    state: str
    pid: int | None
    uptime_s: float | None
    told: str = ""


def service_environment(
    conn: Connections, settings: Settings, service: str, shell: Mapping[str, str]
) -> dict[str, str]:
    """The variables that every process of the yard gets: the marks, the addresses, and little of the person's shell."""
    kept = {name: value for name, value in shell.items() if not name.startswith(DROPPED)}
    local = "127.0.0.1,localhost"
    return {
        **kept,
        **conn.environment(),
        MARK_VARIABLE: conn.layout.yard_id,
        FOLDER_VARIABLE: str(conn.layout.folder),
        SERVICE_VARIABLE: service,
        "MODELYARD_NAME": settings.name,
        "MODELYARD_STATE_DIR": str(settings.state_dir),
        "MODELYARD_CACHE_DIR": str(settings.cache_dir),
        "MODELYARD_DOMAIN": settings.domain,
        "MODELYARD_NAMESPACE": settings.namespace,
        "MODELYARD_REQUIRE_REGISTERED_MODELS": str(settings.require_registered_models).lower(),
        "MODELYARD_READY_DEADLINE_S": str(settings.ready_deadline_s),
        "MODELYARD_STOP_DEADLINE_S": str(settings.stop_deadline_s),
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": ",".join(filter(None, (local, shell.get("NO_PROXY", "")))),
        "no_proxy": ",".join(filter(None, (local, shell.get("no_proxy", "")))),
    }


def write_launch_file(conn: Connections, settings: Settings, service: Service, process: Process) -> None:
    """Write what the launcher reads: the program with its environment, secrets among it, in a file of mode 0600."""
    environment = service_environment(conn, settings, service.name, os.environ)
    spec = {
        "argv": list(process.argv),
        "env": {**environment, **process.env},
        "folder": str(process.folder or conn.layout.folder),
        "sweep": not service.survivors,
        "lives": str(conn.layout.lives(service.name)),
    }
    write_private(launch_file(conn, service.name), json.dumps(spec, indent=2) + "\n")


def write_keeper_file(conn: Connections, settings: Settings) -> None:
    """Write what the keeper reads: how the yard is brought up again with the settings with which it was."""
    given = settings.model_dump(mode="json", include=settings.model_fields_set - {"ports"})
    environment = service_environment(conn, settings, KEEPER, os.environ)
    del environment[SERVICE_VARIABLE]  # who brings a yard up is none of its services, which are ended first
    spec = {
        "lock": str(lock_path(conn.layout.folder)),
        "log": str(conn.layout.log(KEEPER)),
        "repair": [sys.executable, "-m", "modelyard.yard.repair"],
        "repair_folder": str(REPOSITORY),
        "env": {
            **environment,
            **{f"MODELYARD_{name.upper()}": str(value) for name, value in given.items()},
        },
    }
    write_private(launch_file(conn, KEEPER), json.dumps(spec, indent=2) + "\n")


def launch_file(conn: Connections, service: str) -> Path:
    """Where a service's argv and environment stand."""
    return conn.layout.config / "services" / f"{service}.json"


def render_configuration(conn: Connections, settings: Settings, digests: Mapping[str, str]) -> str:
    """The supervisor's configuration; `digests` says of each service what it was made from."""
    layout = conn.layout
    common = [
        "[supervisord]",
        "nodaemon=false",
        f"identifier={_plain(f'modelyard-{conn.name}')}",
        f"logfile={_plain(layout.log('supervisor'))}",
        f"logfile_maxbytes={LOG_BYTES}",
        f"logfile_backups={LOG_BACKUPS}",
        f"pidfile={_plain(layout.runtime / 'supervisord.pid')}",
        f"childlogdir={_plain(layout.logs)}",
        "umask=077",
        "",
        "[unix_http_server]",
        f"file={_plain(layout.socket(SUPERVISOR))}",
        "chmod=0600",
        "",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
        "",
        "[supervisorctl]",
        f"serverurl=unix://{_plain(layout.socket(SUPERVISOR))}",
    ]
    launchers = {name: (LAUNCHER, launch_file(conn, name), digest) for name, digest in digests.items()}
    programs = [line for name, words in launchers.items() for line in _program(conn, settings, name, words)]
    keeper = _program(conn, settings, KEEPER, (KEEPER_PROGRAM, launch_file(conn, KEEPER), "0"), start="true")
    return "\n".join([*common, *programs, *keeper]) + "\n"


def _program(
    conn: Connections, settings: Settings, name: str, words: tuple[Path | str, ...], *, start: str = "false"
) -> list[str]:
    command = " ".join(_quoted(word) for word in (sys.executable, "-I", "-S", *words))
    return [
        "",
        f"[program:{name}]",
        f"command={command}",
        f"directory={_plain(conn.layout.folder)}",
        f'environment={SERVICE_VARIABLE}="{name}"',
        f"autostart={start}",
        "autorestart=true",
        "startsecs=0",  # the launcher holds back what ends soon after its start
        f"startretries={NEVER_GIVE_UP}",
        f"stopwaitsecs={round(settings.stop_deadline_s)}",
        "stopasgroup=true",
        "killasgroup=true",
        "redirect_stderr=true",
        f"stdout_logfile={_plain(_plain(conn.layout.log(name)))}",  # supervisor expands this one twice
        f"stdout_logfile_maxbytes={LOG_BYTES}",
        f"stdout_logfile_backups={LOG_BACKUPS}",
    ]


def _plain(value: object) -> str:
    """A value of the configuration: a percent sign begins an expansion there."""
    return str(value).replace("%", "%%")


def _quoted(value: object) -> str:
    import shlex

    return _plain(shlex.quote(str(value)))


class Supervisor:
    """A client of one yard's supervisor. Not for several threads: each takes its own."""

    def __init__(self, socket_path: Path) -> None:
        from supervisor.xmlrpc import SupervisorTransport

        self._transport = SupervisorTransport(None, None, serverurl=f"unix://{socket_path}")
        self._server: Any = xmlrpc.client.ServerProxy("http://localhost", transport=self._transport)

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def pid(self) -> int:
        """The supervisor's own pid; OSError where none answers."""
        return self._call("getPID")

    def programs(self) -> dict[str, Program]:
        """Every program that it knows."""
        return {held["name"]: _read_program(held) for held in self._call("getAllProcessInfo")}

    def program(self, name: str) -> Program:
        """One program."""
        return _read_program(self._call("getProcessInfo", name))

    def start(self, name: str) -> None:
        """Start a program without waiting; one that runs already is left alone."""
        self._tolerate("startProcess", name, False)

    def stop(self, name: str) -> None:
        """Stop a program and wait until it has ended."""
        self._tolerate("stopProcess", name, True)

    def stop_all(self) -> None:
        """Stop every program, all at once, and wait until they have ended."""
        self._call("stopAllProcesses", True)

    def shut_down(self) -> None:
        """Ask the supervisor itself to end."""
        self._tolerate("shutdown")

    def reload(self) -> None:
        """Read the configuration again: changed programs are stopped and known anew, removed ones stopped."""
        ((added, changed, removed),) = self._call("reloadConfig")
        for name in (*changed, *removed):
            self.stop(name)
            self._tolerate("removeProcessGroup", name)
        for name in (*added, *changed):
            self._tolerate("addProcessGroup", name)

    def _call(self, method: str, *args: Any) -> Any:
        try:
            return getattr(self._server.supervisor, method)(*args)
        except (xmlrpc.client.Error, ConnectionError) as error:
            raise OSError(f"supervisor: {error}") from error

    def _tolerate(self, method: str, *args: Any) -> None:
        """Call, where "it is so already" (ALREADY_STARTED, NOT_RUNNING, SHUTDOWN_STATE...) is no error."""
        from supervisor.xmlrpc import Faults

        fine = {
            Faults.ALREADY_STARTED,
            Faults.NOT_RUNNING,
            Faults.SHUTDOWN_STATE,
            Faults.ALREADY_ADDED,
            Faults.BAD_NAME,
        }
        try:
            getattr(self._server.supervisor, method)(*args)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode not in fine:
                raise OSError(f"supervisor: {fault.faultString}") from fault


def _read_program(held: Mapping[str, Any]) -> Program:
    runs = held["pid"] != 0
    return Program(
        name=held["name"],
        state=held["statename"],
        pid=held["pid"] or None,
        uptime_s=float(held["now"] - held["start"]) if runs else None,
        told=held["spawnerr"],
    )


@contextlib.contextmanager
def supervisor_of(conn: Connections) -> Iterator[Supervisor]:
    """A client of the yard's supervisor, closed at the end."""
    client = Supervisor(conn.layout.socket(SUPERVISOR))
    try:
        yield client
    finally:
        client.close()


def start_supervisor(conn: Connections, settings: Settings) -> None:
    """Start supervisord, which leaves this session and terminal by itself, and wait until it answers.

    Raises:
        ServiceFailed: it ended, or did not answer in time; with what it said.
    """
    log = conn.layout.log(SUPERVISOR)
    begun = subprocess.run(
        [sys.executable, "-m", "supervisor.supervisord", "-c", str(conn.layout.config / "supervisord.conf")],
        cwd=conn.layout.folder,
        env=service_environment(conn, settings, SUPERVISOR, os.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if begun.returncode:
        raise ServiceFailed(
            f"the supervisor ended with {begun.returncode}",
            detail=f"log: {log}\n{begun.stdout}{begun.stderr}",
            next_command="./invoke down && ./invoke up",
        )

    def answers() -> bool:
        with supervisor_of(conn) as client:
            return client.pid() > 0

    wait_until(
        answers,
        what="the supervisor to answer",
        deadline_s=START_DEADLINE_S,
        interval_s=0.03,
        next_command="./invoke down && ./invoke up",
        last_answer=lambda: f"log: {log}",
    )
