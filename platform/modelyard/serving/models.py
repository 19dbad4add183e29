"""The cache of model folders: fetched once for many replicas, whole or not at all, checked before loading."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
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
        digest: what `modelyard.digest.model_digest` must give, None where nothing is promised. With it a model that is
            in the cache needs no store. A model that was changed in the cache is fetched anew.
        cache: folder of the cache; left behind there: the model, under a hash of its address and of its digest or
            what the store lists.

    Raises:
        ModelUnusable: the store cannot be read, holds nothing at the address, or holds something else than promised.
    """
    cache.mkdir(parents=True, exist_ok=True)
    digest = digest.removeprefix("sha256:") if digest else None
    source = None if digest else _listing(uri)
    # The address is part of the key: the same digest promised for another model must be found out, not served.
    key = source.key if source else hashlib.sha256(repr((uri, digest)).encode()).hexdigest()
    folder, fetched = cache / key, cache / f".{key}.digest"
    with _locked(cache / f".{key}.lock"):
        if not folder.is_dir() or not fetched.exists() or model_digest(folder) != fetched.read_text("utf-8"):
            shutil.rmtree(folder, ignore_errors=True)
            found = _download(source or _listing(uri), digest, folder)
            fetched.write_text(found, "utf-8")
    return folder


@dataclass(frozen=True)
class _Source:
    """What a store lists: `files` are relative paths and what changes with their content."""

    uri: str
    store: Any
    root: str
    files: dict[str, str]

    @property
    def key(self) -> str:
        return hashlib.sha256(repr((self.uri, sorted(self.files.items()))).encode()).hexdigest()

    def path(self, relative: str) -> str:
        single = list(self.files) == [self.root.rpartition("/")[2]] and self.store.isfile(self.root)
        return self.root if single else f"{self.root}/{relative}"


def _listing(uri: str) -> _Source:
    import fsspec

    try:
        store, root = fsspec.core.url_to_fs(uri)
        root = root.rstrip("/")
        found = store.find(root, detail=True)
    except Exception as error:
        raise ModelUnusable("ModelDownloadFailed", f"{uri} cannot be read: {_told(error)}") from error
    files = {}
    for path, info in found.items():
        relative = path[len(root) + 1 :] or path.rpartition("/")[2]
        files[relative] = str(info.get("ETag") or (info.get("size"), info.get("mtime")))
    if not files:
        raise ModelUnusable("ModelDownloadFailed", f"{uri} holds no files")
    return _Source(uri, store, root, files)


def _download(source: _Source, digest: str | None, folder: Path) -> str:
    """Fetch into `folder`, whole or not at all; the digest of what came."""
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=folder.parent))
    try:
        for relative in source.files:
            target = part / relative
            if not target.resolve().is_relative_to(part.resolve()):
                raise ValueError(f"{relative} leads out of the model's folder")
            target.parent.mkdir(parents=True, exist_ok=True)
            source.store.get_file(source.path(relative), str(target))
        found = model_digest(part)
        if digest is not None and found != digest:
            told = f"{source.uri} has digest {found}, promised was {digest}: it is not loaded"
            raise ModelUnusable("ModelDigestMismatch", told)
        part.replace(folder)
        return found
    except ModelUnusable:
        raise
    except Exception as error:
        raise ModelUnusable("ModelDownloadFailed", f"{source.uri} cannot be fetched: {_told(error)}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:500]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
