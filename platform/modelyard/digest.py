"""The digest of a model's folder: what a registry writes down and a model server checks before it loads."""

from __future__ import annotations

import hashlib
from pathlib import Path

LEFT_OUT = frozenset({"registered_model_meta"})
"""MLflow writes this file only into downloads that name a registered model."""


def model_digest(folder: Path) -> str:
    """Sha256 (hex) over each file's relative POSIX path and content hash, in the order of the paths.

    Raises:
        FileNotFoundError: the folder does not exist.
    """
    if not folder.is_dir():
        raise FileNotFoundError(folder)
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    whole = hashlib.sha256()
    for name in sorted(files.keys() - LEFT_OUT):
        with files[name].open("rb") as content:
            whole.update(f"{name}\0{hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()
