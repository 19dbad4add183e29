"""yard.json: what a yard is, so that any later version of modelyard can tell whether it may touch it."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from modelyard.errors import FileDamaged, FileNewer

SCHEMA = 2


@dataclass(frozen=True)
class YardRecord:
    """What yard.json holds.

    Attributes:
        schema: number of this form.
        id: random, the mark of the yard's processes.
        substrate: what it runs on.
        ports: first port of its block.
        python: version of the Python that brought it up last.
        lock: sha256 of that one's requirements.lock.
        version: of the modelyard that brought it up last; empty where schema 1 did not tell.
        checkout: folder that this was brought up from; empty likewise.
    """

    schema: int
    id: str
    substrate: str
    ports: int
    python: str
    lock: str
    version: str = ""
    checkout: str = ""


def new_record(*, substrate: str, ports: int, python: str, lock: str) -> YardRecord:
    """A record for a yard that does not exist yet, with a random id."""
    return YardRecord(SCHEMA, secrets.token_hex(8), substrate, ports, python, lock)


def _from_1(held: dict[str, Any]) -> dict[str, Any]:
    """Schema 2 says which version brought the yard up, and from where."""
    return {**held, "version": "", "checkout": ""}


STEPS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1}
"""How a record of each older schema becomes one of the next."""


def migrate(held: Mapping[str, Any]) -> dict[str, Any]:
    """A record of this schema from one of an older; of a newer, as it is.

    Raises:
        ValueError: it has no schema that ever was.
    """
    found = dict(held)
    schema = found.get("schema")
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < min(STEPS):
        raise ValueError(f"its schema is {schema!r}")
    while found["schema"] < SCHEMA:
        found = {**STEPS[found["schema"]](found), "schema": found["schema"] + 1}
    return found


def peek_record(path: Path) -> dict[str, Any] | None:
    """What stands in yard.json, of whatever schema; None where there is no yard, `{}` where it is no JSON object."""
    try:
        held = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    return held if isinstance(held, dict) else {}


def read_record(path: Path) -> YardRecord | None:
    """The record, or None where there is no yard. An older one is migrated here; the next `up` writes it.

    Raises:
        FileDamaged, FileNewer: the file is damaged, or a newer modelyard wrote it.
    """
    held = peek_record(path)
    if held is None:
        return None
    try:
        found = migrate(held)
        if found["schema"] > SCHEMA:
            raise _newer(path, found)
        return YardRecord(**found)
    except (ValueError, TypeError) as error:
        raise FileDamaged(
            f"{path} is not a yard's record: {error}", next_command=f"mv '{path}' '{path}.damaged' && ./invoke up"
        ) from error


def _newer(path: Path, held: Mapping[str, Any]) -> FileNewer:
    by = f" by modelyard {held['version']}" if held.get("version") else ""
    return FileNewer(
        f"{path} was written{by} with schema {held['schema']}: this modelyard knows {SCHEMA}",
        allowed=f"a yard of schema {SCHEMA} or older, or another yard: MODELYARD_NAME=another ./invoke up",
        next_command="git pull",
    )


def write_record(path: Path, record: YardRecord) -> None:
    """Write the record so that a reader sees the old or the new one, never a part."""
    write_private(path, json.dumps(asdict(record), indent=2) + "\n")


def write_private(path: Path, text: str) -> None:
    """Replace a file with one of mode 0600, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)  # of a disk that was full
