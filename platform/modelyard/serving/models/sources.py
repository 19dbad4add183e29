"""Where models come from: S3, http(s), and folders of this machine that were opened for it.

As KServe's storage initializer (kserve v0.20.0, python/storage): a single object or file makes a folder of one, and an
archive is unpacked. Unlike it nothing is written outside the folder that is given, links are not followed, and `file://`
reaches only folders that somebody allowed.
"""

from __future__ import annotations

import contextlib
import json
import mimetypes
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

from modelyard.serving.models.archives import BadArchive, Kind, archive_kind, copy_bounded, safe_path, unpack

SCHEMES = ("s3://", "https://", "http://", "file://")
MOST_BYTES = 20 * 2**30
MOST_FILES = 100_000
"""Bounds of one model: a disk that fills stops more than the model server."""
HTTP_TIMEOUT_S = 30.0
ZIP_TYPES = ("application/x-zip-compressed", "application/zip", "application/zip-compressed")
TAR_TYPES = ("application/x-tar", "application/x-gtar", "application/x-gzip", "application/gzip")
PLAIN_TYPES = ("application/octet-stream",)
HEADERS_SUFFIX = "-headers"
"""After a host, the variable with the headers that its Secret tells."""
FALSE = frozenset({"0", "false"})


class ModelUnusable(Exception):
    """A model that must not or cannot be loaded.

    `reason` is one CamelCase word as KServe's `modelStatus.lastFailureInfo` has it.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class NotFetched(Exception):
    """A model that cannot be fetched; the message says why."""


class Source(Protocol):
    """A model at its place, listed."""

    @property
    def key(self) -> str:
        """What changes when the model changes."""
        ...

    def fetch(self, folder: Path) -> None:
        """Write its files into a folder that exists.

        Raises:
            NotFetched: what went wrong.
        """
        ...


@contextlib.contextmanager
def source_of(uri: str, *, storage: Mapping[str, str], folders: Sequence[Path]) -> Iterator[Source]:
    """The source at an address.

    Args:
        uri: begins with one of SCHEMES.
        storage: variables with credentials; empty = those of this process.
        folders: below which `file://` may read.

    Raises:
        NotFetched: there is nothing, or nothing that may be read.
    """
    try:
        parts = urlsplit(uri)
        if parts.scheme == "s3":
            told = {name: value for name, value in storage.items() if not name.endswith(HEADERS_SUFFIX)}
            yield _s3(uri, told)
        elif parts.scheme == "file":
            yield _local(uri, folders)
        else:
            with _http(uri, parts, storage) as source:
                yield source
    except (NotFetched, ModelUnusable):
        raise
    except BadArchive as error:
        raise NotFetched(str(error)) from error
    except Exception as error:
        raise NotFetched(f"{type(error).__name__}: {error}"[:500]) from error


def s3_options(told: Mapping[str, str]) -> dict[str, Any]:
    """Options of s3fs from the variables that KServe's storage initializer reads.

    Args:
        told: where there are any, no variable of this process has a say: keys of one store never go to another.
    """
    environment = told or os.environ
    verify: bool | str = environment.get("S3_VERIFY_SSL", "").lower() not in FALSE
    if verify and environment.get("AWS_CA_BUNDLE"):
        verify = environment["AWS_CA_BUNDLE"]
    anonymous = environment.get("awsAnonymousCredential", "").lower() == "true"
    anonymous = anonymous or bool(told and not told.get("AWS_ACCESS_KEY_ID"))
    client = {"region_name": environment.get("AWS_DEFAULT_REGION") or None, "verify": verify}
    virtual = environment.get("S3_USER_VIRTUAL_BUCKET", "").lower() in ("1", "true")
    accelerate = environment.get("S3_USE_ACCELERATE", "").lower() in ("1", "true")
    style = {"addressing_style": "virtual"} if virtual else {}
    return {
        "anon": anonymous,
        "key": None if anonymous else environment.get("AWS_ACCESS_KEY_ID") or None,
        "secret": None if anonymous else environment.get("AWS_SECRET_ACCESS_KEY") or None,
        "token": None if anonymous else environment.get("AWS_SESSION_TOKEN") or None,
        "endpoint_url": environment.get("AWS_ENDPOINT_URL") or None,
        "client_kwargs": {name: value for name, value in client.items() if value is not None},
        "config_kwargs": {
            "s3": {**style, "use_accelerate_endpoint": accelerate},
            "ignore_configured_endpoint_urls": bool(told),
        },
    }


@dataclass(frozen=True)
class _S3:
    """Objects below a prefix: `files` are relative paths with what changes with their content."""

    store: Any = field(repr=False)
    root: str
    files: dict[str, tuple[str, int, str]]
    """Relative path -> (key, bytes, entity tag)."""

    @property
    def key(self) -> str:
        return repr(sorted((name, tag) for name, (_, _, tag) in self.files.items()))

    def fetch(self, folder: Path) -> None:
        if sum(size for _, size, _ in self.files.values()) > MOST_BYTES or len(self.files) > MOST_FILES:
            raise NotFetched(f"{self.root} holds more than {MOST_BYTES} bytes or {MOST_FILES} files")
        for name, (key, _, _) in self.files.items():
            target = safe_path(folder, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            self.store.get_file(key, str(target))
        _unpack_single(folder)


def _s3(uri: str, told: Mapping[str, str]) -> _S3:
    import s3fs

    root = uri.removeprefix("s3://").rstrip("/")
    if not root or root.startswith("/"):
        raise NotFetched(f"{uri} names no bucket")
    store = s3fs.S3FileSystem(skip_instance_cache=True, **s3_options(told))
    files = {}
    for key, info in store.find(root, detail=True).items():
        name = key[len(root) + 1 :] or key.rpartition("/")[2]
        files[name] = (key, int(info.get("size") or 0), str(info.get("ETag")))
    if not files:
        raise NotFetched(f"Failed to fetch model. No model found in {uri}")
    return _S3(store, root, files)


@dataclass(frozen=True)
class _Local:
    """Files of a folder: relative paths with their real places."""

    files: dict[str, Path]

    @property
    def key(self) -> str:
        held = [(name, path.stat().st_size, path.stat().st_mtime_ns) for name, path in self.files.items()]
        return repr(sorted(held))

    def fetch(self, folder: Path) -> None:
        left_bytes = MOST_BYTES
        for name, path in self.files.items():
            target = safe_path(folder, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            with path.open("rb") as source, target.open("xb") as out:
                left_bytes -= copy_bounded(source, out, left_bytes)
        _unpack_single(folder)


def _local(uri: str, folders: Sequence[Path]) -> _Local:
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost"):
        raise NotFetched(f"{uri} names another machine: write file:///folder")
    place = Path(unquote(parts.path)).resolve()
    if not any(place.is_relative_to(folder.resolve()) for folder in folders):
        allowed = ", ".join(map(str, folders)) or "no folder"
        raise NotFetched(f"{uri} is not below a folder of models ({allowed}): name one in MODELYARD_MODEL_FOLDERS")
    if place.is_file():
        return _Local({place.name: place})
    files = {}
    for path in sorted(place.rglob("*")) if place.is_dir() else []:
        if path.is_symlink() and not path.resolve().is_relative_to(place):
            raise NotFetched(f"{path.relative_to(place)} is a link that leads out of the model's folder")
        if path.is_file():
            files[path.relative_to(place).as_posix()] = path
        elif not path.is_dir():
            raise NotFetched(f"{path.relative_to(place)} is neither a file nor a folder")
    if not files:
        raise NotFetched(f"Local path {uri} does not exist or holds no files")
    return _Local(files)


@dataclass(frozen=True)
class _Http:
    """A file behind an address, whose answer has begun."""

    uri: str
    name: str
    answer: Any = field(repr=False)

    @property
    def key(self) -> str:
        headers = self.answer.headers
        marks = [headers.get(name, "") for name in ("etag", "last-modified", "content-length")]
        # An answer without any mark is fetched each time.
        return repr(marks) if any(marks[:2]) else os.urandom(16).hex()

    def fetch(self, folder: Path) -> None:
        target = safe_path(folder, self.name)
        left_bytes = MOST_BYTES
        with target.open("xb") as out:
            for part in self.answer.iter_raw():
                left_bytes -= len(part)
                if left_bytes < 0:
                    raise NotFetched(f"{self.uri} is larger than {MOST_BYTES} bytes")
                out.write(part)
        _unpack_single(folder, _kind_of(urlsplit(self.uri)))


@contextlib.contextmanager
def _http(uri: str, parts: SplitResult, storage: Mapping[str, str]) -> Iterator[_Http]:
    import httpx

    name = PurePosixPath(unquote(parts.path)).name
    if not name:
        raise NotFetched(f"No filename contained in URI: {uri}")
    headers = json.loads(storage.get(f"{parts.hostname}{HEADERS_SUFFIX}", "{}"))
    # Identity: what is stored is what was uploaded, not how it travelled.
    sent = {"Accept-Encoding": "identity", **headers}
    with httpx.stream("GET", uri, headers=sent, timeout=HTTP_TIMEOUT_S, follow_redirects=True) as answer:
        if answer.status_code != httpx.codes.OK:
            raise NotFetched(f"URI: {uri} returned a {answer.status_code} response code.")
        told, kind = answer.headers.get("content-type", ""), _kind_of(parts)
        allowed = {"zip": ZIP_TYPES, "tar": TAR_TYPES, None: PLAIN_TYPES}[kind]
        if not told.startswith(allowed):
            told = f"{told!r}, and not with any of following 'Content-Type': {', '.join(allowed)}"
            raise NotFetched(f"URI: {uri} did respond with {told}")
        yield _Http(uri, name, answer)


def _kind_of(parts: SplitResult) -> Kind | None:
    """The archive's kind by the path, else by the query: `?file=model.tar.gz`."""
    by_path = mimetypes.guess_type(parts.path)[0]
    return archive_kind(parts.query if by_path is None and parts.query else parts.path)


def _unpack_single(folder: Path, kind: Kind | None = None) -> None:
    """Unpack the only file of a folder where it is an archive."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    kind = kind or (archive_kind(files[0].name) if len(files) == 1 else None)
    if kind is None:
        return
    archive = files[0].rename(folder.parent / f"{folder.name}.archive")
    try:
        unpack(archive, kind, folder, most_bytes=MOST_BYTES, most_files=MOST_FILES)
    finally:
        archive.unlink()
