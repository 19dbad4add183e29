"""yard.json: what a yard is, so that any later version of modelyard can tell whether it may touch it."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from modelyard.errors import FileDamaged, FileNewer

SCHEMA = 1


@dataclass(frozen=True)
class YardRecord:
    """What yard.json holds: schema number, random id, substrate, first port, Python version, hash of the lock."""

    schema: int
    id: str
    substrate: str
    ports: int
    python: str
    lock: str


def new_record(*, substrate: str, ports: int, python: str, lock: str) -> YardRecord:
    """A record for a yard that does not exist yet, with a random id."""
    return YardRecord(SCHEMA, secrets.token_hex(8), substrate, ports, python, lock)


def read_record(path: Path) -> YardRecord | None:
    """The record, or None where there is no yard.

    Raises:
        FileDamaged, FileNewer: the file is damaged, or a newer modelyard wrote it.
    """
    try:
        held = json.loads(path.read_text("utf-8"))
        found = YardRecord(**held)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise FileDamaged(
            f"{path} is not a yard's record: {error}", next_command=f"mv '{path}' '{path}.damaged' && ./invoke up"
        ) from error
    if found.schema > SCHEMA:
        raise FileNewer(
            f"{path} has schema {found.schema}: this modelyard knows {SCHEMA}",
            allowed=f"a yard of schema {SCHEMA} or older, or another yard: MODELYARD_NAME=another ./invoke up",
            next_command="git pull",
        )
    return found


def write_record(path: Path, record: YardRecord) -> None:
    """Write the record so that a reader sees the old or the new one, never a part."""
    write_private(path, json.dumps(asdict(record), indent=2) + "\n")


def write_private(path: Path, text: str) -> None:
    """Replace a file with one of mode 0600, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    part.replace(path)
