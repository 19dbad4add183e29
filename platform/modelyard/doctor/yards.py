"""What earlier yards left: processes, downloads that were cut; and this yard's own record."""

from __future__ import annotations

import os
import shlex
import time
from dataclasses import dataclass
from pathlib import Path

from modelyard.connections import FOLDER_VARIABLE, MARK_VARIABLE, REPOSITORY
from modelyard.doctor.finding import Finding, fine, problem, tell_bytes, warning
from modelyard.doctor.system import System

PARTS_NOTICED_BYTES = 50_000_000
OLD_S = 3600.0
"""A part of a download that has not grown for so long is not being loaded."""


@dataclass(frozen=True)
class Family:
    """Living processes with one yard's mark. `state`: `this`, `other` (that yard exists) or `orphans` (it is gone)."""

    folder: str
    state: str
    pids: tuple[int, ...]
    names: tuple[str, ...] = ()
    memory_bytes: int = 0


@dataclass(frozen=True)
class Leftovers:
    """What was found. `parts`: downloads that were cut long ago, with their size in all."""

    families: tuple[Family, ...] = ()
    parts: tuple[Path, ...] = ()
    parts_bytes: int = 0


def gather_leftovers(folder: Path, cache: Path) -> Leftovers:
    """Look at this user's processes, and at the cache."""
    return Leftovers(find_families(folder), *_old_parts(cache))


def find_families(folder: Path) -> tuple[Family, ...]:
    """This user's processes by the mark that they carry; this process and its parents do not count."""
    import psutil

    this = psutil.Process()
    mine = {this.pid, *(parent.pid for parent in this.parents())}
    held: dict[tuple[str, str], list[psutil.Process]] = {}
    for process in psutil.process_iter():
        try:
            if process.pid in mine or process.uids().real != os.getuid():
                continue
            environment = process.environ()
            if MARK_VARIABLE in environ_names(environment) and process.status() != psutil.STATUS_ZOMBIE:
                key = environment[MARK_VARIABLE], environment.get(FOLDER_VARIABLE, "")
                held.setdefault(key, []).append(process)
        except (psutil.Error, OSError):
            continue
    return tuple(_family(yard_id, where, members, folder) for (yard_id, where), members in held.items())


def environ_names(environment: dict[str, str]) -> set[str]:
    """Names of variables that have a value."""
    return {name for name, value in environment.items() if value}


def _family(yard_id: str, where: str, members: list, folder: Path) -> Family:
    import psutil

    names, memory = [], 0
    for process in members:
        try:
            names.append(process.environ().get("MODELYARD_SERVICE") or process.name())
            memory += process.memory_info().rss
        except (psutil.Error, OSError):
            continue
    state = "orphans" if find_record_id(Path(where)) != yard_id else "this" if Path(where) == folder else "other"
    return Family(where, state, tuple(p.pid for p in members), tuple(dict.fromkeys(names)), memory)


def find_record_id(folder: Path) -> str:
    """The id of the yard in a folder; empty where there is none that can be read."""
    from modelyard.errors import YardError
    from modelyard.yard.record import read_record

    try:
        record = read_record(folder / "yard.json")
    except (OSError, YardError):
        return ""
    return record.id if record else ""


def _old_parts(cache: Path) -> tuple[tuple[Path, ...], int]:
    found, size = [], 0
    for path in (*cache.glob("*.part"), *cache.glob("*/*.part"), *cache.glob("*/.*.part")):
        try:
            held = path.stat()
        except OSError:
            continue
        if time.time() - held.st_mtime > OLD_S:
            found.append(path)
            size += held.st_size
    return tuple(found), size


def decide_leftovers(held: Leftovers, system: System) -> list[Finding]:
    """Orphans hold ports and memory; other yards only memory; the rest is room on disk."""
    found = [_orphans(family) for family in held.families if family.state == "orphans"]
    others = [family for family in held.families if family.state == "other"]
    if others:
        found.append(_others(others))
    if held.parts_bytes > PARTS_NOTICED_BYTES:
        names = " ".join(shlex.quote(str(path)) for path in held.parts)
        told = f"{len(held.parts)} downloads that were cut take {tell_bytes(held.parts_bytes)}."
        found.append(warning("leftovers", told, "nothing takes them up again after a long time", f"rm -rf {names}"))
    own = sum(len(family.pids) for family in held.families if family.state == "this")
    running = f"; this yard is up, with {own} processes" if own else ""
    return found or [fine("leftovers", f"no process of another yard{running}")]


def _orphans(family: Family) -> Finding:
    many = f"{len(family.pids)} process{'es' * (len(family.pids) > 1)}"
    names = ", ".join(family.names[:4]) + ", ..." * (len(family.names) > 4)
    pids = " ".join(map(str, family.pids))
    still = "still run" if len(family.pids) > 1 else "still runs"
    where = family.folder or "a yard without a folder"
    return problem(
        "leftovers",
        f"{many} ({names}; {tell_bytes(family.memory_bytes)}) of a yard that is gone {still} ({where}).",
        "they hold ports and memory, and no `down` knows them any more",
        f"kill {pids}; sleep 3; kill -9 {pids} 2>/dev/null",
    )


def _others(families: list[Family]) -> Finding:
    """All other yards in one finding: a person who has several knows it."""
    size = tell_bytes(sum(family.memory_bytes for family in families))
    folders = [Path(family.folder) for family in families]
    who = f"{len(folders)} other yards of yours are up"
    if len(folders) == 1:
        who = f"Another yard of yours is up, {folders[0]}"
    return warning(
        "leftovers",
        f"{who} ({size} of memory).",
        "they take it from this one" if len(folders) > 1 else "it takes that from this one",
        "; ".join(
            f"MODELYARD_STATE_DIR={shlex.quote(str(folder.parent))} MODELYARD_NAME={folder.name} ./invoke down"
            for folder in folders
        ),
    )


@dataclass(frozen=True)
class Record:
    """The record of this yard. `state`: `none`, `good`, `older`, `newer`, `damaged`; `told` has the error's words.

    `checkout` is where it was brought up from, and `there` whether that still exists.
    """

    path: Path
    state: str
    schema: int | None = None
    checkout: str = ""
    there: bool = True
    version: str = ""


def gather_record(path: Path) -> Record:
    """Read yard.json without changing it."""
    from modelyard.yard.record import SCHEMA, peek_record

    held = peek_record(path)
    if held is None:
        return Record(path, "none")
    schema = held.get("schema")
    if not isinstance(schema, int) or "id" not in held:
        return Record(path, "damaged")
    state = "good" if schema == SCHEMA else "older" if schema < SCHEMA else "newer"
    checkout = str(held.get("checkout", ""))
    return Record(path, state, schema, checkout, not checkout or Path(checkout).exists(), str(held.get("version", "")))


def decide_record(record: Record, system: System, checkout: Path = REPOSITORY) -> list[Finding]:
    """A record that this version may not touch, or of a yard whose programs come from another checkout."""
    where = shlex.quote(str(record.path))
    if record.state == "none":
        return [fine("yard", f"none yet in {record.path.parent}")]
    if record.state == "damaged":
        return [
            problem(
                "yard",
                f"{record.path} cannot be read.",
                "without it nobody knows the yard's ports and processes",
                f"mv {where} {where}.damaged && ./invoke up",
            )
        ]
    if record.state == "newer":
        by = f" by modelyard {record.version}" if record.version else ""
        return [
            problem(
                "yard",
                f"The yard in {record.path.parent} was made{by} with schema {record.schema}, which is newer than this.",
                "this version would damage it",
                "git pull && ./invoke doctor || MODELYARD_NAME=another ./invoke up",
            )
        ]
    if record.checkout and Path(record.checkout) != checkout:
        gone = "" if record.there else ", which is gone"
        return [
            warning(
                "yard",
                f"The yard was brought up from another checkout, {record.checkout}{gone}.",
                "its processes run the code of that one until the next `up`",
                "./invoke up",
            )
        ]
    if record.state == "older":
        return [fine("yard", f"{record.path.parent} has schema {record.schema}; the next `up` brings it up to date")]
    return [fine("yard", f"{record.path.parent}")]
