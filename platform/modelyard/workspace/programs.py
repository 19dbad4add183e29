"""Programs that run inside the workspace: their environment, their lines as they come, their errors."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from modelyard.connections import Connections
from modelyard.errors import CommandFailed

Say = Callable[[str], None]
"""Told one line of progress at a time."""

TAIL_LINES = 15


def silent(line: str) -> None:
    """Tell nobody."""


def program_environment(conn: Connections, workspace: Path, inherited: Mapping[str, str]) -> dict[str, str]:
    """Environment for git, dvc and Python in the workspace; nothing of the person's own configuration reaches them.

    Args:
        conn: the yard whose MLflow and object store they use.
        workspace: the folder they run in.
        inherited: the environment to begin with. Its GIT_ variables are dropped: inside a git hook they would point
            every command at the repository of the hook.
    """
    kept = {name: value for name, value in inherited.items() if not name.startswith("GIT_")}
    cache = workspace / ".cache"
    return {
        **kept,
        **conn.environment(),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), inherited.get("PATH", os.defpath)]),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "DVC_NO_ANALYTICS": "1",
        "DVC_GLOBAL_CONFIG_DIR": str(cache / "dvc-config"),
        "DVC_SYSTEM_CONFIG_DIR": str(cache / "dvc-config"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # the default, 7, keeps a person waiting for minutes
        "MPLCONFIGDIR": str(cache / "matplotlib"),
        "OMP_NUM_THREADS": "1",  # two threads spin on a busy machine: a fit of 5 s took 20 s
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore",
        "LC_ALL": "C",
        "PYTHONUTF8": "1",
    }


def run_program(
    argv: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    say: Say = silent,
    keep_open: Sequence[int] = (),
    next_command: str = "./invoke status",
) -> str:
    """Run a program to its end, passing its lines on as they come, and return all it printed.

    Args:
        argv: the program and its arguments; found on the environment's PATH.
        cwd: folder to run in.
        environment: the whole environment.
        say: told every line of standard output and error.
        keep_open: file descriptors that the program inherits, such as a lock's.
        next_command: what the person may type when the program fails.

    Raises:
        CommandFailed: it ended with an error; the message is a line that can be pasted, the detail its last lines.
    """
    lines: list[str] = []
    process = _start(argv, cwd, environment, keep_open)
    with process:
        assert process.stdout is not None  # noqa: S101 - asked for above
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if line.strip():
                say(line.rstrip())
    if process.returncode:
        raise CommandFailed(
            f"(cd {shlex.quote(str(cwd))} && {shlex.join(argv)}) ended with {process.returncode}",
            detail="\n".join(lines[-TAIL_LINES:]),
            next_command=next_command,
        )
    return "\n".join(lines)


def _start(
    argv: Sequence[str], cwd: Path, environment: Mapping[str, str], keep_open: Sequence[int]
) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=tuple(keep_open),
            text=True,
            encoding="utf-8",
            errors="replace",
        )
    except FileNotFoundError as error:
        raise CommandFailed(f"{argv[0]} could not be started: {error}", next_command="./invoke up") from error
