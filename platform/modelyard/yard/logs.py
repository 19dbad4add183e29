"""The services' logs, as files that `tail` shows and follows."""

from __future__ import annotations

import subprocess
from pathlib import Path

from modelyard.connections import connect
from modelyard.errors import NameUnknown
from modelyard.settings import Settings
from modelyard.yard.up import yard_folder


def show_logs(settings: Settings, service: str, *, follow: bool, lines: int) -> int:
    """Print the end of one service's log, or of all; returns tail's exit code.

    Raises:
        YardNotUp: there is no yard. NameUnknown: there is no such log; names those that there are.
    """
    conn = connect(yard_folder(settings), settings)
    argv = ["tail", "-n", str(lines), *(["-F"] if follow else []), *map(str, choose_logs(conn.layout.logs, service))]
    return subprocess.run(argv, check=False).returncode


def choose_logs(folder: Path, service: str) -> list[Path]:
    """The logs to show: that of the service, with those of its replicas, or every one.

    Raises:
        NameUnknown: there is none.
    """
    every = sorted(folder.glob("*.log"))
    chosen = [path for path in every if not service or path.stem == service]
    if not chosen:
        raise NameUnknown(
            f"there is no log of {service!r}" if service else f"there are no logs in {folder}",
            allowed=", ".join(path.stem for path in every) or "a yard that was up once",
            next_command="./invoke logs",
        )
    return chosen
