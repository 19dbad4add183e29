"""Where everything of a yard lies on disk, and which port of its block each service has."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

PORTS = {
    "gateway": 0,
    "kubernetes": 1,
    "mlflow": 2,
    "objectstore": 3,
    "prometheus": 4,
    "alertmanager": 5,
    "monitor": 6,
    "grafana": 7,
    "envoy_stats": 8,
    "board": 9,
}
"""Offset of each service's port in the yard's block (design: "Ports")."""

PORT_BLOCK = 20


@dataclass(frozen=True)
class Layout:
    """Paths of one yard; nothing is created here.

    `runtime` is outside the yard's folder: a Unix socket's path may have 107 bytes at most (unix(7)), and a yard may
    stand anywhere.
    """

    folder: Path
    yard_id: str = ""

    @property
    def record(self) -> Path:
        """yard.json."""
        return self.folder / "yard.json"

    @property
    def secrets(self) -> Path:
        """Every credential of the yard, one JSON object of mode 0600."""
        return self.folder / "secrets.json"

    @property
    def kubeconfig(self) -> Path:
        """Kubeconfig of the yard's Kubernetes API, mode 0600."""
        return self.folder / "kubeconfig"

    @property
    def tls(self) -> Path:
        """Folder with ca.pem, server.pem and server.key."""
        return self.folder / "tls"

    @property
    def config(self) -> Path:
        """Folder of generated configuration; made anew at each `up`."""
        return self.folder / "config"

    @property
    def logs(self) -> Path:
        """Folder with one log a service, NAME.log, and one a replica."""
        return self.folder / "logs"

    @property
    def workspace(self) -> Path:
        """The person's copy of sample-model/, a git repository of its own."""
        return self.folder / "workspace"

    @property
    def reports(self) -> Path:
        """Reports of the story, one folder a run."""
        return self.folder / "reports"

    @property
    def runtime(self) -> Path:
        """Short folder for Unix sockets, mode 0700."""
        base = os.environ.get("XDG_RUNTIME_DIR")
        root = Path(base) if base and len(base) < 40 else Path(tempfile.gettempdir())
        return root / f"modelyard-{os.getuid()}-{self.yard_id[:12]}"

    def data(self, service: str) -> Path:
        """Folder in which a service keeps what must outlive it."""
        return self.folder / "data" / service

    def log(self, service: str) -> Path:
        """Log of a service."""
        return self.logs / f"{service}.log"

    def lives(self, service: str) -> Path:
        """What the launcher notes of a service's starts (`yard/lives.py`)."""
        return self.runtime / "lives" / service

    def socket(self, name: str) -> Path:
        """Path of a Unix socket of the yard."""
        return self.runtime / f"{name}.sock"
