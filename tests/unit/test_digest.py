import hashlib

import pytest

from modelyard.digest import model_digest


def _fill(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def test_the_digest_is_that_of_sha256sum_s_lines_in_path_order(tmp_path):
    _fill(tmp_path, {"b/model.skops": b"trees", "MLmodel": b"flavors"})
    lines = [
        f"{name}\0{hashlib.sha256(c).hexdigest()}\n"
        for name, c in (("MLmodel", b"flavors"), ("b/model.skops", b"trees"))
    ]
    assert model_digest(tmp_path) == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_the_file_that_mlflow_adds_to_some_downloads_does_not_count(tmp_path):
    _fill(tmp_path, {"MLmodel": b"flavors"})
    before = model_digest(tmp_path)
    _fill(tmp_path, {"registered_model_meta": b"flights 3"})
    assert model_digest(tmp_path) == before


@pytest.mark.parametrize("change", [{"MLmodel": b"other"}, {"extra": b""}, {"sub/MLmodel": b"flavors"}])
def test_any_change_of_content_or_place_changes_the_digest(tmp_path, change):
    _fill(tmp_path, {"MLmodel": b"flavors"})
    before = model_digest(tmp_path)
    _fill(tmp_path, change)
    assert model_digest(tmp_path) != before


def test_a_folder_that_is_not_there_is_no_empty_model(tmp_path):
    with pytest.raises(FileNotFoundError):
        model_digest(tmp_path / "nothing")
