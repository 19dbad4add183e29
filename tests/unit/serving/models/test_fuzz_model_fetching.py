"""Hostile addresses and archives of models: nothing outside the model cache is written, nothing unallowed is read."""

import io
import os
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.serving.models.archives import BadArchive, unpack
from modelyard.serving.models.cache import ModelUnusable, fetch_model
from modelyard.serving.models.sources import _S3, NotFetched

SECRET = "SECRET of the yard"
bounded = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=250,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of models that may be read, secrets beside it, links from one to the other."""
    top = tmp_path_factory.mktemp("place")
    (top / "models" / "good" / "deep").mkdir(parents=True)
    (top / "models" / "good" / "model.joblib").write_text("a model")
    (top / "models" / "good" / "deep" / "more.bin").write_text("more")
    (top / "secret").mkdir()
    (top / "secret" / "token").write_text(SECRET)
    (top / "models-too").mkdir()
    (top / "models-too" / "token").write_text(SECRET)
    (top / "models" / "linked").symlink_to(top / "secret")
    (top / "models" / "leaky").mkdir()
    (top / "models" / "leaky" / "model.joblib").symlink_to(top / "secret" / "token")
    return top


def files_in(folder, *, without):
    """Every file and link below a folder with what it is, but for one subfolder."""
    found = {}
    for where, folders, names in os.walk(folder):
        if Path(where) == without:
            folders.clear()
            continue
        for name in [*names, *folders]:
            path = Path(where) / name
            if path != without:
                found[str(path)] = (path.lstat().st_mode, path.lstat().st_size)
    return found


steps = st.one_of(
    st.sampled_from(
        [
            "..",
            ".",
            "%2e%2e",
            "%2E%2E%2F",
            "models",
            "models-too",
            "secret",
            "token",
            "good",
            "linked",
            "leaky",
            "deep",
            "model.joblib",
            "",
            "%00",
            "\x00",
            "é",
            "~",
            "$HOME",
            "*",
            "a" * 300,
        ]
    ),
    st.text(max_size=6),
)
beginnings = st.sampled_from(
    [
        "file://",
        "file:///",
        "file:/",
        "file://localhost",
        "file://elsewhere/",
        "FILE://",
        "file://{top}/models/",
        "file://{top}/models/good",
        "file://{top}/",
        "s3:///",
        "http://127.0.0.1:9/",
        "http://[::1",
        "http://127.0.0.1:99999/",
        "https://127.0.0.1:9/",
        "",
        "simplecache::file://{top}/",
        "file://{top}/models::file://{top}/secret",
        "zip://x::file://{top}/secret",
    ]
)


@bounded
@given(
    start=beginnings,
    path=st.lists(steps, max_size=5),
    digest=st.sampled_from([None, None, None, "0" * 64, "", "sha256:x", "../../x"]),
)
def test_an_address_leads_to_a_model_or_to_a_refusal(place, start, path, digest):
    cache = place / "cache"
    before = files_in(place, without=cache)
    uri = start.format(top=place) + "/".join(path)
    try:
        folder = fetch_model(uri, digest, cache, folders=[place / "models"])
    except ModelUnusable as refused:
        assert refused.message
    else:
        assert folder.resolve().is_relative_to(cache.resolve())
        for held in folder.rglob("*"):
            assert not held.is_symlink()
            assert held.is_dir() or SECRET not in held.read_text("utf-8")
    assert files_in(place, without=cache) == before
    assert not list(cache.glob(".part-*"))


names = st.one_of(
    st.sampled_from(
        [
            "model.joblib",
            "a/b",
            "../x",
            "../../x",
            "/etc/x",
            "a/../../x",
            "..",
            ".",
            "",
            "a//b",
            "./a",
            "C:\\x",
            "\\\\host\\x",
            "..\\x",
            "a" * 300,
            "a/" * 60 + "b",
            "é",
            "a\x00b",
            "~/x",
            "good",
            "good/x",
        ]
    ),
    st.text(min_size=1, max_size=12),
)
kinds = st.sampled_from(
    [
        tarfile.REGTYPE,
        tarfile.REGTYPE,
        tarfile.DIRTYPE,
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.FIFOTYPE,
        tarfile.CONTTYPE,
        tarfile.GNUTYPE_SPARSE,
    ]
)


def tar_of(members):
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as archive:
        for name, kind, target in members:
            info = tarfile.TarInfo(name.replace("\x00", "") or "x")
            info.type, info.linkname, info.mode = kind, target, 0o4777
            info.size = 4 if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(b"held") if info.size else None)
    return held.getvalue()


def zip_of(members):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, mode in members:
            info = zipfile.ZipInfo(name or "x")
            info.external_attr = mode << 16
            archive.writestr(info, "held")
    return held.getvalue()


def check_unpacked(folder, name, kind, content):
    shutil.rmtree(folder, ignore_errors=True)
    inside = folder / "sub" / "model"
    inside.mkdir(parents=True)
    archive = folder / name
    archive.write_bytes(content)
    before = files_in(folder, without=inside)
    try:
        unpack(archive, kind, inside, most_bytes=1000, most_files=50)
    except BadArchive as refused:
        assert str(refused)
    for held in inside.rglob("*"):
        assert held.is_dir() or held.is_file()
        assert not held.is_symlink()
    assert files_in(folder, without=inside) == before


@bounded
@given(members=st.lists(st.tuples(names, kinds, st.one_of(names, st.just("/etc/passwd"))), max_size=6))
def test_a_tar_leaves_plain_files_in_its_folder_and_nothing_elsewhere(tmp_path, members):
    try:
        content = tar_of(members)
    except (ValueError, UnicodeError):
        return  # no tar can hold that
    check_unpacked(tmp_path / "tar", "model.tar.gz", "tar", content)


@bounded
@given(
    members=st.lists(
        st.tuples(names, st.sampled_from([0, 0o100644, 0o120777, 0o060000, 0o010644, 0o040755, 0o177777])), max_size=6
    )
)
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_a_zip_leaves_plain_files_in_its_folder_and_nothing_elsewhere(tmp_path, members):
    try:
        content = zip_of(members)
    except (ValueError, UnicodeError):
        return  # no zip can hold that
    check_unpacked(tmp_path / "zip", "model.zip", "zip", content)


@bounded
@given(
    kind=st.sampled_from(["tar", "zip"]),
    content=st.binary(max_size=600),
    flips=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
    broken=st.booleans(),
)
def test_broken_archives_are_refused(tmp_path, kind, content, flips, broken):
    if broken:
        whole = tar_of([("a/b", tarfile.REGTYPE, "")]) if kind == "tar" else zip_of([("a/b", 0o100644)])
        held = bytearray(whole)
        for at, value in flips:
            held[at % len(held)] = value
        content = bytes(held)
    check_unpacked(tmp_path / "broken", f"model.{kind}", kind, content)


class NamesOnly:
    """A store that writes each object it is asked for: what it lists is what is hostile here."""

    def get_file(self, key, target):
        Path(target).write_text(key)


@bounded
@given(keys=st.lists(names, min_size=1, max_size=5, unique=True))
def test_hostile_keys_of_a_faked_object_store_stay_in_the_folder(tmp_path, keys):
    top = tmp_path / "s3"
    shutil.rmtree(top, ignore_errors=True)
    folder = top / "sub" / "model"
    folder.mkdir(parents=True)
    before = files_in(top, without=folder)
    try:
        _S3(NamesOnly(), "bucket/m", {key: (key, 4, "e") for key in keys}).fetch(folder)
    except (NotFetched, BadArchive, OSError, ValueError) as refused:
        assert str(refused)
    assert files_in(top, without=folder) == before
