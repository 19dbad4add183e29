"""`up`: observe, plan, execute, and end with a yard whose every service has answered a real request."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from modelyard import __version__
from modelyard.connections import REPOSITORY, Connections, connect
from modelyard.errors import ProgramMissing, YardNotUp
from modelyard.services.service import Context, Process, Service
from modelyard.settings import Settings
from modelyard.substrates import local
from modelyard.toolbox import Toolbox
from modelyard.yard import marks, ports, supervision
from modelyard.yard.execution import execute
from modelyard.yard.lives import forget_lives
from modelyard.yard.lock import changing
from modelyard.yard.observation import observe_processes
from modelyard.yard.plan import Plan, Wanted, plan_up
from modelyard.yard.record import YardRecord, new_record, read_record, write_private, write_record
from modelyard.yard.view import Silent, View


def bring_up(settings: Settings, *, view: View | None = None) -> Connections:
    """Bring the yard of these settings up, or repair it; harmless where it is up.

    Raises:
        PortTaken, ProgramMissing, ServiceFailed, WaitTimeout: what did not work, and the next command.
    """
    view = view or Silent()
    with changing(yard_folder(settings), deadline_s=settings.up_deadline_s, say=view.say):
        conn = prepare(settings)
        started, left_out = describe_processes(conn, settings, view)
        plan = make_plan(conn, settings, started)
        for name, why in left_out.items():
            view.show(name, "left out", why)
        carry_out(plan, conn, settings, started, view)
        return conn


def yard_folder(settings: Settings) -> Path:
    """Where the yard of these settings stands."""
    return (settings.state_dir / settings.name).absolute()


def prepare(settings: Settings) -> Connections:
    """The yard's folder, record, block of ports and credentials."""
    folder = yard_folder(settings)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    wanted = ports.parse_first_port(settings.ports)
    explicit = "ports" in settings.model_fields_set
    with ports.choosing() as reservations:
        record = read_record(folder / "yard.json")
        recorded = record.ports if record else None

        def own() -> set[int]:
            return {process.pid for process in marks.find_marked(record.id)} if record else set()

        def taken(first: int) -> dict[str, int]:
            return (ports.taken_for_good if first == recorded else ports.taken_by_others)(first, own)

        first = ports.decide_first_port(
            recorded,
            wanted,
            explicit=explicit,
            is_usable=lambda first: not reservations.is_of_another(first, folder) and not taken(first),
        )
        ports.refuse_taken(first, taken(first))
        write_record(folder / "yard.json", renew_record(record, first))
        reservations.take(first, folder)
    conn = connect(folder, settings)
    for place in (conn.layout.logs, conn.layout.config / "services", conn.layout.tls, conn.layout.reports):
        place.mkdir(parents=True, exist_ok=True)
    conn.layout.runtime.mkdir(mode=0o700, exist_ok=True)
    return conn


def renew_record(record: YardRecord | None, first_port: int) -> YardRecord:
    """The record of a yard that is brought up by this Python and this lock."""
    import hashlib

    lock = REPOSITORY / "requirements.lock"
    known = record or new_record(substrate=local.NAME, ports=first_port, python="", lock="")
    return replace(
        known,
        ports=first_port,
        python=platform.python_version(),
        lock=hashlib.sha256(lock.read_bytes()).hexdigest() if lock.exists() else "",
        version=__version__,
        checkout=str(REPOSITORY),
    )


def describe_processes(
    conn: Connections, settings: Settings, view: View
) -> tuple[dict[str, tuple[Service, Process]], dict[str, str]]:
    """How each service would start, and which optional ones are left out and why."""
    context = Context(conn, settings, Toolbox.of(settings, view.say))
    fetch_programs(context, view)
    started: dict[str, tuple[Service, Process]] = {}
    left_out: dict[str, str] = {}
    for service in local.SERVICES:
        why = service.missing(context)
        if why and service.optional:
            left_out[service.name] = why
        elif why:
            raise ProgramMissing(f"{service.name} cannot run here: {why}", next_command="./invoke up")
        else:
            started[service.name] = (service, service.process(context))
    return started, left_out


def fetch_programs(context: Context, view: View) -> None:
    """Fetch what the services are made of and this machine has not, all at once."""
    leave = {"grafana"} if context.settings.grafana == "never" else set()
    context.toolbox.fetch_many(
        [name for service in local.SERVICES if service.name not in leave for name in service.programs], view
    )


def make_plan(conn: Connections, settings: Settings, started: dict[str, tuple[Service, Process]]) -> Plan:
    """Observe the yard and decide."""
    observed = observe_processes(conn, (service for service, _ in started.values()))
    return plan_up(
        (
            Wanted(service.name, service.needs, process_digest(conn, settings, service, process), service.survivors)
            for service, process in started.values()
        ),
        observed,
    )


def process_digest(conn: Connections, settings: Settings, service: Service, process: Process) -> str:
    """Changes when a service must be started anew: its process, the yard's variables, or the Python packages."""
    record = read_record(conn.layout.record)
    own = supervision.service_environment(conn, settings, service.name, shell={})
    return f"{replace(process, env={**own, **process.env}).digest()}-{record.lock[:8] if record else ''}"


def carry_out(
    plan: Plan, conn: Connections, settings: Settings, started: dict[str, tuple[Service, Process]], view: View
) -> None:
    """End strays, write files, and start what the plan says, in the order of needs."""
    if plan.end:
        view.say(f"ending {len(plan.end)} processes that an earlier life of this yard left")
        marks.end(plan.ends_first, deadline_s=settings.stop_deadline_s)
    local.write_access(conn, settings, fresh_certificate="serving" in plan.starts)
    write_files(conn, settings, started.values())
    digests = {name: process_digest(conn, settings, *held) for name, held in started.items()}
    write_private(conn.layout.config / "supervisord.conf", supervision.render_configuration(conn, settings, digests))
    if plan.supervisor.verb == "start":
        supervision.start_supervisor(conn, settings)
    else:
        stop_changed(conn, plan)
    for operation in plan.services:
        forget_lives(conn.layout.lives(operation.target), is_running=operation.verb == "keep")
    refuse_foreign_ports(conn, plan, started)
    execute(conn, [service for service, _ in started.values()], plan, settings, view)


def write_files(conn: Connections, settings: Settings, started: Iterable[tuple[Service, Process]]) -> None:
    """Every file and folder that the services need."""
    supervision.write_keeper_file(conn, settings)
    for service, process in started:
        for folder in process.folders:
            folder.mkdir(parents=True, exist_ok=True)
        for path, text in process.files.items():
            write_private(path, text)
        supervision.write_launch_file(conn, settings, service, process)


def stop_changed(conn: Connections, plan: Plan) -> None:
    """Let the supervisor read the new configuration, and stop what is to be started anew."""
    with supervision.supervisor_of(conn) as supervisor:
        supervisor.reload()
        for operation in plan.services:
            if operation.verb == "restart":
                supervisor.stop(operation.target)


def refuse_foreign_ports(conn: Connections, plan: Plan, started: dict[str, tuple[Service, Process]]) -> None:
    """Raise where a port of a service that is about to start is held by somebody else."""
    if not plan.starts:
        return
    block = ports.taken_for_good(
        conn.first_port, lambda: {process.pid for process in marks.find_marked(conn.layout.yard_id)}
    )
    mine = {key for name in plan.starts for key in started[name][0].ports}
    ports.refuse_taken(conn.first_port, {key: port for key, port in block.items() if key in mine})


def describe_plan(settings: Settings) -> str:
    """What `up` would do, for a yard that exists."""
    folder = yard_folder(settings)
    if read_record(folder / "yard.json") is None:
        raise YardNotUp(f"there is no yard in {folder} yet: up would make one", next_command="./invoke up")
    conn = connect(folder, settings)
    started, _ = describe_processes(conn, settings, Silent())
    return str(make_plan(conn, settings, started))
