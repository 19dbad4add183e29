"""Write access, judged by trying: files, private modes, links, locks, sockets and programs in each folder."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shlex
import shutil
import socket
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from modelyard.doctor.disk import nearest
from modelyard.doctor.finding import Finding, fine, problem, warning
from modelyard.doctor.mounts import variable_of
from modelyard.doctor.system import System

LONGEST_TEMPORARY = 60
"""Characters; a Unix socket's whole path may have 107 bytes on Linux and 103 on macOS (unix(7), sys/un.h)."""
FULL = {os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT)}


@dataclass(frozen=True)
class Trial:
    """What came of trying things in a folder: by the name of each trial, nothing or the system's words.

    `near` is the folder that was tried: the path itself, or the nearest above it. `owner` is its uid.
    """

    use: str
    path: Path
    near: Path
    owner: int
    failed: dict[str, str] = field(default_factory=dict)


def gather_trials(uses: Iterable[tuple[str, Path]]) -> list[Trial]:
    """Try each folder; what is made is taken away again."""
    return [try_folder(use, path) for use, path in uses]


def try_folder(use: str, path: Path) -> Trial:
    """Try what the yard will do in one folder."""
    near = nearest(path)
    failed: dict[str, str] = {}
    trials: dict[str, Callable[[Path], None]] = {}
    try:
        with _scratch(near) as scratch:
            trials = {"write": _write, **TRIALS.get(use, {})}
            for name, attempt in trials.items():
                try:
                    attempt(scratch)
                except OSError as error:
                    failed[name] = error.strerror or str(error)
    except OSError as error:
        failed["write"] = error.strerror or str(error)
    return Trial(use, path, near, near.stat().st_uid, failed)


@contextlib.contextmanager
def _scratch(near: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=".modelyard-doctor-", dir=near))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(folder: Path) -> None:
    (folder / "a file").write_bytes(b"x" * 4096)


def _private(folder: Path) -> None:
    path = folder / "secret"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
        out.write("x")
    if stat.S_IMODE(path.stat().st_mode) != 0o600:
        raise OSError(0, f"a file of mode 600 has mode {stat.S_IMODE(path.stat().st_mode):o}")


def _lock(folder: Path) -> None:
    with (folder / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _link(folder: Path) -> None:
    (folder / "link").symlink_to("a file")


def _socket(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as held:
        held.bind(str(folder / "s"))


def _run(folder: Path) -> None:
    program = folder / "program"
    program.write_text("#!/bin/sh\nexit 0\n", "utf-8")
    program.chmod(0o700)
    subprocess.run([program], check=False, timeout=5)


TRIALS: dict[str, dict[str, Callable[[Path], None]]] = {
    "folder of yards": {"private": _private, "lock": _lock, "link": _link},
    "cache of programs": {"run": _run, "lock": _lock},
    "folder for sockets": {"private": _private, "socket": _socket, "lock": _lock},
    "folder for temporary files": {"lock": _lock},
}


def decide_access(trials: Iterable[Trial], system: System) -> list[Finding]:
    """The findings of every folder, or that all can be used."""
    found = [finding for trial in trials if (finding := _decide_trial(trial, system))]
    return found or [fine("write access", "every folder of the yard can be written")]


def _decide_trial(trial: Trial, system: System) -> Finding | None:
    if not trial.failed:
        return None
    check, where = "write access", f"The {trial.use} ({trial.path})"
    if "write" in trial.failed:
        return _not_writable(trial, system, check, where)
    name, told = next(iter(trial.failed.items()))
    move = f'export {variable_of(trial.use)}="/var/tmp/modelyard-$(id -un)"'
    words = {
        "private": (f"{where} cannot keep a file private: {told}.", "credentials would be readable for others"),
        "lock": (f"{where} knows no locks: {told}.", "two commands at once could damage the yard"),
        "link": (f"{where} takes no symbolic links: {told}.", "DVC and the model store make links"),
        "socket": (f"{where} takes no sockets: {told}.", "the services of the yard talk through one"),
        "run": (f"{where} does not let programs run: {told}.", "Prometheus would be started from there"),
    }
    return problem(check, *words[name], move)


def _not_writable(trial: Trial, system: System, check: str, where: str) -> Finding:
    told, why = trial.failed["write"], "everything that the yard keeps is written there"
    if trial.use == "checkout":
        return warning(
            check,
            f"{where} cannot be written: {told}.",
            "tests and reports of the code go there; a yard does without",
            f"git clone {shlex.quote(str(trial.path))} ~/modelyard && cd ~/modelyard && ./invoke doctor",
        )
    if told in FULL:  # a folder elsewhere would be another yard: what is needed is room for this one
        look = shlex.quote(str(trial.near))
        return problem(
            check, f"{where} cannot be written: {told}.", why, f"df -h {look}; du -xh -d1 {look} | sort -h | tail"
        )
    if trial.owner != system.uid and trial.near.is_relative_to(system.home):
        return problem(
            check,
            f"{where} cannot be written: {trial.near} belongs to another user (uid {trial.owner}).",
            f"{why}; an earlier call with sudo leaves such folders",
            f'sudo chown -R "$(id -un)" {shlex.quote(str(trial.near))}',
        )
    if trial.owner == system.uid and "denied" in told.lower():
        return problem(check, f"{where} cannot be written: {told}.", why, f"chmod u+rwx {shlex.quote(str(trial.near))}")
    move = f'export {variable_of(trial.use)}="/var/tmp/modelyard-$(id -un)"'
    return problem(check, f"{where} cannot be written: {told}.", why, move)
