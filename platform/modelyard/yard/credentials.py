"""The yard's credentials: random, made once, kept in one file of mode 0600."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from modelyard.yard.record import write_private


@dataclass(frozen=True)
class Credentials:
    """Every credential of a yard. `monitor_path` is the random path part of the payload logger's address."""

    s3_key_id: str
    s3_secret: str
    kubernetes_token: str
    monitor_token: str
    monitor_path: str
    grafana_password: str


def load_credentials(path: Path) -> Credentials:
    """The credentials that the yard has, made on first use."""
    try:
        return Credentials(**json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        made = Credentials(
            s3_key_id="yard" + secrets.token_hex(8),
            s3_secret=secrets.token_hex(20),
            kubernetes_token=secrets.token_urlsafe(32),
            monitor_token=secrets.token_urlsafe(32),
            monitor_path=secrets.token_urlsafe(24),
            grafana_password=secrets.token_urlsafe(18),
        )
        write_private(path, json.dumps(asdict(made), indent=2) + "\n")
        return made
