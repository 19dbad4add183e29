"""What a service of a yard is: data that the yard's plan, its supervisor and its status are made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from modelyard.connections import Connections
from modelyard.settings import Settings
from modelyard.toolbox import Toolbox


@dataclass(frozen=True)
class Context:
    """What a service may look at when it says how it starts."""

    conn: Connections
    settings: Settings
    toolbox: Toolbox


@dataclass(frozen=True)
class Process:
    """How a service starts: its program, and the files and folders that must be there before.

    `folder` is the working directory, the yard's where it is not given. `env` comes on top of the yard's own
    variables. `files` are written with mode 0600; a change of any of them, of `argv` or of `env` restarts the service
    at the next `up`.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[Path, str] = field(default_factory=dict)
    folders: tuple[Path, ...] = ()
    folder: Path | None = None

    def digest(self) -> str:
        """Changes when anything about the process does."""
        held = [self.argv, sorted(self.env.items()), sorted((str(p), text) for p, text in self.files.items())]
        return hashlib.sha256(json.dumps(held).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Service:
    """One part of the platform.

    `needs` are services that must be ready before this one is started. `probe` makes a real request and returns
    nothing; anything that it raises of the kinds OSError, LookupError, ValueError or httpx.HTTPError means "not yet".
    `missing` says in a line why the service cannot run here, or nothing; only an optional one may be left out.
    """

    name: str
    summary: str
    ports: tuple[str, ...]
    process: Callable[[Context], Process]
    probe: Callable[[Connections], None]
    needs: tuple[str, ...] = ()
    optional: bool = False
    missing: Callable[[Context], str] = lambda context: ""
    survivors: bool = False
    """Whether children that outlive the service still do its work and are found again by it (model servers)."""
    programs: tuple[str, ...] = ()
    """The programs of the toolbox that it is made of; fetched before it is described."""
    page: str = "/"
    """Path of the page that a person opens; empty where there is none."""
