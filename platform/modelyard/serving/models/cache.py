"""The cache of model folders: fetched once for many replicas, whole or not at all, checked before loading."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

from modelyard.digest import model_digest
from modelyard.serving.models.sources import SCHEMES, ModelUnusable, NotFetched, Source, source_of

__all__ = ["SCHEMES", "ModelUnusable", "fetch_model"]


def fetch_model(
    uri: str, digest: str | None, cache: Path, *, storage: Mapping[str, str] | None = None, folders: Sequence[Path] = ()
) -> Path:
    """The folder of a model, fetched if the cache lacks it, its digest checked.

    Args:
        uri: begins with one of SCHEMES; a single object or file makes a folder of one, an archive is unpacked.
        digest: what `modelyard.digest.model_digest` must give, None where nothing is promised. With it a model that is
            in the cache needs no store. A model that was changed in the cache is fetched anew.
        cache: folder of the cache; left behind there: the model, under a hash of its address and of its digest or
            what the store lists.
        storage: variables with credentials and endpoint; without any, those of this process.
        folders: below which a `file://` address may read.

    Raises:
        ModelUnusable: the store cannot be read, holds nothing at the address, or holds something else than promised.
    """
    cache.mkdir(parents=True, exist_ok=True)
    digest = digest.removeprefix("sha256:") if digest else None
    try:
        if digest:
            # The address is part of the key: a digest promised for another model must be found out, not served.
            return _kept(uri, digest, cache, key=repr((uri, digest)), opened=lambda: _open(uri, storage, folders))
        with _open(uri, storage, folders) as source:
            return _kept(uri, None, cache, key=repr((uri, source.key)), opened=lambda: nullcontext(source))
    except (NotFetched, OSError) as error:
        raise ModelUnusable("ModelDownloadFailed", f"{uri} cannot be fetched: {error}") from error


def _open(
    uri: str, storage: Mapping[str, str] | None, folders: Sequence[Path]
) -> contextlib.AbstractContextManager[Source]:
    return source_of(uri, storage=storage or {}, folders=folders)


def _kept(
    uri: str,
    digest: str | None,
    cache: Path,
    *,
    key: str,
    opened: Callable[[], contextlib.AbstractContextManager[Source]],
) -> Path:
    """The folder under a key, from `opened` where it is not there or was changed."""
    name = hashlib.sha256(key.encode()).hexdigest()
    folder, fetched = cache / name, cache / f".{name}.digest"
    with _locked(cache / f".{name}.lock"):
        if not folder.is_dir() or not fetched.exists() or model_digest(folder) != fetched.read_text("utf-8"):
            shutil.rmtree(folder, ignore_errors=True)
            with opened() as source:
                found = _download(source, uri, digest, folder)
            fetched.write_text(found, "utf-8")
    return folder


def _download(source: Source, uri: str, digest: str | None, folder: Path) -> str:
    """Fetch into `folder`, whole or not at all; the digest of what came."""
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=folder.parent))
    try:
        source.fetch(part)
        found = model_digest(part)
        if digest is not None and found != digest:
            told = f"{uri} has digest {found}, promised was {digest}: it is not loaded"
            raise ModelUnusable("ModelDigestMismatch", told)
        part.replace(folder)
        return found
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
