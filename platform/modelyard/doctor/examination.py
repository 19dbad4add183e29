"""The examination: every check, each with what it looks at and what it decides; the cheap ones for `up`."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from modelyard.connections import REPOSITORY
from modelyard.doctor.finding import Finding, problem, sort_by_severity, warning
from modelyard.doctor.system import System, decide_system, gather_system
from modelyard.errors import SettingError
from modelyard.settings import Settings

Look = Callable[[], list[Finding]]


@dataclass(frozen=True)
class Patient:
    """What is examined: the machine as one yard would use it."""

    settings: Settings
    system: System
    folder: Path
    yard_id: str
    first_port: int
    automatic: bool

    def uses(self) -> list[tuple[str, Path]]:
        """Every folder that the yard writes to, by what it is for."""
        from modelyard.yard.layout import Layout

        return [
            ("folder of yards", self.settings.state_dir.absolute()),
            ("cache of programs", self.settings.cache_dir.absolute()),
            ("folder for sockets", Layout(self.folder, "x").runtime.parent),
            ("folder for temporary files", Path(tempfile.gettempdir())),
            ("checkout", REPOSITORY),
        ]


def admit(settings: Settings) -> Patient:
    """Read what is known of the yard of these settings; nothing is made."""
    from modelyard.doctor.yards import find_record_id
    from modelyard.errors import YardError
    from modelyard.yard.ports import FIRST_AUTO, parse_first_port
    from modelyard.yard.record import read_record

    folder = (settings.state_dir / settings.name).absolute()
    try:
        record = read_record(folder / "yard.json")
    except (YardError, OSError):
        record = None
    wanted = parse_first_port(settings.ports)
    explicit = "ports" in settings.model_fields_set
    first = record.ports if record and (not explicit or wanted is None) else wanted
    return Patient(settings, gather_system(), folder, find_record_id(folder), first or FIRST_AUTO, wanted is None)


def quick(settings: Settings) -> list[Finding]:
    """The cheap part, for `up`: nothing of the network, no other program is started; within 150 ms."""
    patient = admit(settings)
    return sort_by_severity(
        finding for name, look in _cheap_looks(patient).items() for finding in look_safely(name, look)
    )


def examine(settings: Settings, *, docker: bool = False, only: Collection[str] = ()) -> list[Finding]:
    """Everything, all at once; takes as long as the slowest server that is asked.

    Args:
        settings: of the yard that this machine is examined for.
        docker: whether Docker is wanted.
        only: names of checks, where not all are asked for; `network` is also that of programs and clock.
    """
    patient = admit(settings)
    looks = {**_cheap_looks(patient), **_dear_looks(patient, docker=docker)}
    chosen = {name: look for name, look in looks.items() if not only or name in only}
    with ThreadPoolExecutor(len(chosen)) as pool:
        found = list(pool.map(lambda held: look_safely(*held), chosen.items()))
    return sort_by_severity(finding for findings in found for finding in findings)


def look_safely(name: str, look: Look) -> list[Finding]:
    """A check that fails on a strange machine is a finding by itself, and never the end of the examination."""
    try:
        return look()
    except Exception as error:
        told = f"This could not be looked at: {type(error).__name__}: {error}"
        return [warning(name, told, "the doctor does not know whether it is well", "./invoke status")]


def _cheap_looks(patient: Patient) -> dict[str, Look]:
    from modelyard.doctor import access, disk, limits, loopback, mounts, processors, variables, yards

    system, uses = patient.system, patient.uses()
    return {
        "system": lambda: decide_system(system),
        "folders": lambda: mounts.decide_folders(mounts.gather_places(uses, system), system),
        "write access": lambda: access.decide_access(access.gather_trials(uses), system),
        "disk": lambda: disk.decide_disk(disk.gather_room(uses), system),
        "loopback": lambda: loopback.decide_loopback(loopback.gather_loopback(), system),
        "limits": lambda: limits.decide_limits(limits.gather_limits(), system),
        "processors": lambda: processors.decide_processors(processors.gather_processors(), system),
        "variables": lambda: variables.decide_variables(variables.gather_variables(_exports(patient)), system),
        "yard": lambda: yards.decide_record(yards.gather_record(patient.folder / "yard.json"), system),
    }


def _exports(patient: Patient) -> dict[str, str]:
    from modelyard.connections import connect
    from modelyard.errors import YardError

    try:
        return connect(patient.folder, patient.settings).environment() if patient.yard_id else {}
    except (YardError, OSError):
        return {}


def _dear_looks(patient: Patient, *, docker: bool) -> dict[str, Look]:
    from modelyard.doctor import docker as container
    from modelyard.doctor import git, memory, ports, proxies, python, yards
    from modelyard.yard.marks import find_marked

    system = patient.system

    def own() -> set[int]:
        return {held.pid for held in find_marked(patient.yard_id)} if patient.yard_id else set()

    return {
        "python": lambda: python.decide_python(python.gather_python(), system),
        "git": lambda: git.decide_git(git.gather_git(), system),
        "memory": lambda: memory.decide_memory(memory.gather_memory(patient.yard_id), system),
        "ports": lambda: ports.decide_ports(
            ports.gather_ports(patient.first_port, automatic=patient.automatic, own=own()), system
        ),
        "docker": lambda: container.decide_docker(container.gather_docker(docker), system),
        "proxy": lambda: proxies.decide_proxies(proxies.gather_proxies(), system),
        "leftovers": lambda: yards.decide_leftovers(
            yards.gather_leftovers(patient.folder, patient.settings.cache_dir), system
        ),
        "network": lambda: _look_at_network(patient),
    }


def _look_at_network(patient: Patient) -> list[Finding]:
    """Programs, the network and the clock are judged by the same answers: each server is asked once."""
    import os

    from modelyard.doctor import clock, network, programs

    system, settings = patient.system, patient.settings
    held = programs.gather_programs(settings)
    registry = network.find_registry(os.environ, network.pip_files(os.environ, system.home))
    asked = {} if settings.offline else {"package registry": registry}
    replies = network.ask_all({**asked, **programs.addresses_to_ask(held, offline=settings.offline)})
    ahead = clock.measure((reply.date, reply.at) for reply in replies if reply.date)
    latest = (REPOSITORY / "requirements.lock").stat().st_mtime
    return [
        *programs.decide_programs(held, [*replies, *programs.look_at_files(held)], system),
        *network.decide_network(replies, system, bundle=network.find_bundle(), optional=programs.OPTIONAL),
        *clock.decide_clock(clock.Clock(time.time(), ahead, latest), system),
    ]


def read_settings() -> tuple[Settings, list[Finding]]:
    """The settings; each that has no allowed value is a finding, and its default goes on in its place."""
    import os

    from modelyard.settings import load_settings
    from modelyard.yard.ports import parse_first_port

    found: list[Finding] = []
    while True:
        try:
            settings = load_settings()
            parse_first_port(settings.ports)
        except SettingError as error:
            found.append(_wrong_setting(error))
            name = re.search(r"unset (MODELYARD_[A-Z_]+)|export (HOME)=", found[-1].next_command)
            if name is None:
                raise
            if name[2]:
                os.environ["HOME"] = tempfile.gettempdir()
            elif os.environ.pop(name[1], None) is None:
                raise
        else:
            return settings, found


def _wrong_setting(error: SettingError) -> Finding:
    """A setting as a finding: unset what is not allowed; what is missing is told as the error tells it."""
    told = f"{error.what}; allowed: {error.allowed}." if error.allowed else f"{error.what}."
    name = re.search(r"MODELYARD_[A-Z_]+", f"{error.what} {error.allowed}")
    command = error.next_command if error.next_command.startswith("export HOME") or not name else f"unset {name[0]}"
    return problem("settings", told, "no command works until it is right", command)
