"""`reset`: the yard's folder is removed, after it was taken down."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from modelyard.settings import Settings
from modelyard.yard.down import end_everything
from modelyard.yard.lock import changing
from modelyard.yard.record import read_record
from modelyard.yard.up import yard_folder

KEPT_THINGS = {
    "workspace": "the workspace, with its data versions",
    "data": "runs, models, metrics and events",
    "reports": "reports of the demo",
    "secrets.json": "credentials",
}


def describe_loss(settings: Settings) -> list[str]:
    """What would be forgotten, one line a thing; nothing where there is no yard."""
    folder = yard_folder(settings)
    if read_record(folder / "yard.json") is None:
        return []
    held = [(name, told, size_bytes(folder / name)) for name, told in KEPT_THINGS.items() if (folder / name).exists()]
    return [
        f"yard {settings.name} in {folder}: reset ends its processes and forgets",
        *(f"  {folder / name} ({size / 1e6:.1f} MB): {told}" for name, told, size in held),
    ]


def size_bytes(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(held.lstat().st_size for held in path.rglob("*") if held.is_file() and not held.is_symlink())


def forget(settings: Settings, *, say: Callable[[str], None]) -> None:
    """Take the yard down and remove its folder.

    Raises:
        YardError: a process could not be ended; then nothing is removed.
    """
    folder = yard_folder(settings)
    with changing(folder, deadline_s=settings.up_deadline_s, say=say):
        end_everything(settings)
        shutil.rmtree(folder)
