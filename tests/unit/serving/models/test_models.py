"""The model cache, over folders; the same code fetches from S3 in the service tests."""

import shutil
import threading

import pytest

from modelyard.digest import model_digest
from modelyard.serving.models.cache import ModelUnusable, fetch_model


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    (folder / "data").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}")
    (folder / "data" / "model.bin").write_bytes(b"\0\1")
    return folder


def test_a_folder_is_fetched_whole_and_only_once(source, tmp_path):
    cache = tmp_path / "cache"
    folder = fetch_model(f"file://{source}", model_digest(source), cache, folders=[tmp_path])
    assert model_digest(folder) == model_digest(source)
    marked = folder.stat().st_ino
    assert fetch_model(f"file://{source}", model_digest(source), cache, folders=[tmp_path]).stat().st_ino == marked


def test_many_at_once_share_one_download(source, tmp_path):
    cache, found = tmp_path / "cache", []
    workers = [
        threading.Thread(target=lambda: found.append(fetch_model(f"file://{source}", None, cache, folders=[tmp_path])))
        for _ in range(8)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 8
    assert len([path for path in cache.iterdir() if path.is_dir()]) == 1


def test_what_was_changed_at_the_source_is_fetched_anew(source, tmp_path):
    cache = tmp_path / "cache"
    first = fetch_model(f"file://{source}", None, cache, folders=[tmp_path])
    (source / "MLmodel").write_text("flavors: {more: 1}")
    assert fetch_model(f"file://{source}", None, cache, folders=[tmp_path]) != first


@pytest.mark.parametrize("digest", ["00", "sha256:00"])
def test_another_digest_than_promised_is_refused(source, tmp_path, digest):
    with pytest.raises(ModelUnusable, match="promised was") as refused:
        fetch_model(f"file://{source}", digest, tmp_path / "cache", folders=[tmp_path])
    assert refused.value.reason == "ModelDigestMismatch"


def test_a_model_with_a_digest_needs_no_store_once_it_is_in_the_cache(source, tmp_path):
    cache, digest = tmp_path / "cache", model_digest(source)
    folder = fetch_model(f"file://{source}", digest, cache, folders=[tmp_path])
    shutil.rmtree(source)
    assert fetch_model(f"file://{source}", f"sha256:{digest}", cache, folders=[tmp_path]) == folder


@pytest.mark.parametrize("promised", [True, False])
def test_a_model_that_was_changed_in_the_cache_is_fetched_anew(source, tmp_path, promised):
    cache, digest = tmp_path / "cache", model_digest(source)
    folder = fetch_model(f"file://{source}", digest if promised else None, cache, folders=[tmp_path])
    (folder / "MLmodel").write_text("changed")
    assert (
        model_digest(fetch_model(f"file://{source}", digest if promised else None, cache, folders=[tmp_path])) == digest
    )
    assert [path for path in cache.iterdir() if path.name.startswith(".part")] == []


def test_the_digest_of_one_model_does_not_stand_for_another(source, tmp_path):
    cache, digest = tmp_path / "cache", model_digest(source)
    fetch_model(f"file://{source}", digest, cache, folders=[tmp_path])
    shutil.copytree(source, tmp_path / "other")
    (tmp_path / "other" / "MLmodel").write_text("other")
    with pytest.raises(ModelUnusable, match="promised was"):
        fetch_model(f"file://{tmp_path}/other", digest, cache, folders=[tmp_path])


def test_what_is_not_there_is_told(tmp_path):
    with pytest.raises(ModelUnusable, match="nowhere") as refused:
        fetch_model(f"file://{tmp_path}/nowhere", None, tmp_path / "cache", folders=[tmp_path])
    assert refused.value.reason == "ModelDownloadFailed"


def test_a_single_object_makes_a_folder_of_one_file(source, tmp_path):
    folder = fetch_model(f"file://{source}/MLmodel", None, tmp_path / "cache", folders=[tmp_path])
    assert [path.name for path in folder.iterdir()] == ["MLmodel"]
