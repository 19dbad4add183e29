"""The cache of model folders: fetched once for many replicas, whole or not at all, checked before loading."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modelyard.digest import model_digest

SCHEMES = ("s3://", "file://")


class ModelUnusable(Exception):
    """A model that must not or cannot be loaded.

    `reason` is one CamelCase word as KServe's `modelStatus.lastFailureInfo` has it.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def fetch_model(uri: str, digest: str | None, cache: Path) -> Path:
    """The folder of a model, fetched if the cache lacks it, its digest checked.

    Args:
        uri: `s3://bucket/prefix` or `file:///folder`; a single object makes a folder of one file. S3 credentials and
            endpoint come from the environment.
        digest: what `modelyard.digest.model_digest` must give; None checks nothing.
        cache: folder of the cache; left behind there: the model, under its digest or a hash of what the store lists.

    Raises:
        ModelUnusable: the store cannot be read, holds nothing at the address, or holds something else than promised.
    """
    cache.mkdir(parents=True, exist_ok=True)
    try:
        store, root, files = _listing(uri)
    except Exception as error:
        raise ModelUnusable("ModelDownloadFailed", f"{uri} cannot be read: {_told(error)}") from error
    if not files:
        raise ModelUnusable("ModelDownloadFailed", f"{uri} holds no files")
    key = hashlib.sha256(repr((uri, sorted(files.items()))).encode()).hexdigest()
    folder = cache / key
    with _locked(cache / f".{key}.lock"):
        if not folder.is_dir():
            _download(store, root, files, folder, uri)
        check_digest(folder, digest, uri)
    return folder


def check_digest(folder: Path, digest: str | None, uri: str) -> None:
    """Refuse a folder whose digest differs.

    Raises:
        ModelUnusable: it differs.
    """
    if digest is None:
        return
    found = model_digest(folder)
    if found != digest.removeprefix("sha256:"):
        raise ModelUnusable("ModelDigestMismatch", f"{uri} has digest {found}, promised was {digest}: it is not loaded")


def _listing(uri: str) -> tuple[Any, str, dict[str, str]]:
    """The file system, the root within it, and relative path -> what changes with the content."""
    import fsspec

    store, root = fsspec.core.url_to_fs(uri)
    root = root.rstrip("/")
    found = store.find(root, detail=True)
    files = {}
    for path, info in found.items():
        relative = path[len(root) + 1 :] or path.rpartition("/")[2]
        files[relative] = str(info.get("ETag") or (info.get("size"), info.get("mtime")))
    return store, root, files


def _download(store: Any, root: str, files: dict[str, str], folder: Path, uri: str) -> None:
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=folder.parent))
    try:
        for relative in files:
            target = part / relative
            if not target.resolve().is_relative_to(part.resolve()):
                raise ValueError(f"{relative} leads out of the model's folder")
            target.parent.mkdir(parents=True, exist_ok=True)
            source = root if files.keys() == {root.rpartition("/")[2]} and store.isfile(root) else f"{root}/{relative}"
            store.get_file(source, str(target))
        part.replace(folder)
    except Exception as error:
        shutil.rmtree(part, ignore_errors=True)
        raise ModelUnusable("ModelDownloadFailed", f"{uri} cannot be fetched: {_told(error)}") from error


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:500]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
