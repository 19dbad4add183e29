"""Where models come from: a real HTTP server and folders; S3 is asked in the service tests of serving."""

import functools
import io
import os
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from modelyard.serving.models import sources as storage_sources
from modelyard.serving.models.cache import ModelUnusable, fetch_model
from modelyard.serving.models.sources import s3_options

OCTETS = "application/octet-stream"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        site = self.server.site
        site.asked.append((self.path, dict(self.headers)))
        content_type, body, etag = site.files.get(self.path, ("", b"", ""))
        self.send_response(200 if content_type else 404)
        for name, value in (("Content-Type", content_type), ("ETag", etag), ("Content-Length", str(len(body)))):
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def site():
    held = SimpleNamespace(files={}, asked=[])
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.site, server.daemon_threads = held, True
        threading.Thread(target=functools.partial(server.serve_forever, poll_interval=0.01), daemon=True).start()
        held.url = f"http://127.0.0.1:{server.server_port}"
        yield held
        server.shutdown()


def tar_of(*members, mode="w:gz"):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as archive:
        for name, content, changes in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for field, value in changes.items():
                setattr(info, field, value)
            archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


def zip_of(*members):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, mode in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, content)
    return made.getvalue()


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_file_behind_an_address_makes_a_folder_of_one_and_is_fetched_again_only_when_it_changed(site, tmp_path):
    site.files["/m/model.joblib"] = (OCTETS, b"one", '"1"')
    first = fetch_model(f"{site.url}/m/model.joblib", None, tmp_path)
    assert files_of(first) == {"model.joblib": b"one"}
    assert fetch_model(f"{site.url}/m/model.joblib", None, tmp_path) == first
    site.files["/m/model.joblib"] = (OCTETS, b"two", '"2"')
    assert files_of(fetch_model(f"{site.url}/m/model.joblib", None, tmp_path)) == {"model.joblib": b"two"}


@pytest.mark.parametrize(
    ("path", "content_type", "body"),
    [
        ("/model.tar.gz", "application/gzip", tar_of(("./a/model.bin", b"x", {}), ("MLmodel", b"y", {}))),
        ("/model.tgz", "application/x-gzip", tar_of(("a/model.bin", b"x", {}), ("MLmodel", b"y", {}))),
        ("/model.tar", "application/x-tar", tar_of(("a/model.bin", b"x", {}), ("MLmodel", b"y", {}), mode="w")),
        ("/model.zip", "application/zip", zip_of(("a/model.bin", b"x", 0), ("MLmodel", b"y", 0o100644))),
        ("/get?file=model.zip", "application/zip", zip_of(("a/model.bin", b"x", 0), ("MLmodel", b"y", 0))),
    ],
)
def test_an_archive_is_unpacked_as_kserves_storage_initializer_does(site, tmp_path, path, content_type, body):
    site.files[path] = (content_type, body, '"1"')
    folder = fetch_model(site.url + path, None, tmp_path / "cache")
    assert files_of(folder) == {"a/model.bin": b"x", "MLmodel": b"y"}
    assert {found.name[0] for found in (tmp_path / "cache").iterdir() if found != folder} == {"."}


EVIL = {
    "a name that climbs": tar_of(("../../outside", b"x", {})),
    "an absolute name": tar_of(("/tmp/outside", b"x", {})),
    "a link to a file": tar_of(("link", b"", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"})),
    "a hard link": tar_of(("link", b"", {"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"})),
    "a device": tar_of(("null", b"", {"type": tarfile.CHRTYPE})),
    "a link, then a file through it": tar_of(
        ("out", b"", {"type": tarfile.SYMTYPE, "linkname": "/tmp"}), ("out/outside", b"x", {})
    ),
    "the same name twice": tar_of(("a", b"x", {}), ("a", b"y", {})),
    "no archive at all": b"hello",
    "an archive that ends too early": tar_of(("a", os.urandom(100_000), {}))[:5000],
}


@pytest.mark.parametrize("name", EVIL)
def test_a_tar_cannot_write_or_read_anything_outside_of_the_model(site, tmp_path, name):
    site.files["/m.tgz"] = ("application/gzip", EVIL[name], '"1"')
    with pytest.raises(ModelUnusable) as refused:
        fetch_model(f"{site.url}/m.tgz", None, tmp_path / "in" / "cache")
    assert refused.value.reason == "ModelDownloadFailed"
    assert not (tmp_path / "outside").exists()
    assert [path for path in (tmp_path / "in" / "cache").iterdir() if not path.name.endswith(".lock")] == []


@pytest.mark.parametrize(
    "body",
    [
        zip_of(("../../outside", b"x", 0)),
        zip_of(("/outside", b"x", 0)),
        zip_of(("..\\..\\outside", b"x", 0)),
        zip_of(("C:\\outside", b"x", 0)),
        zip_of(("link", b"/etc/passwd", 0o120777)),
        b"PK\x03\x04 and no more",
    ],
)
def test_a_zip_cannot_write_or_read_anything_outside_of_the_model(site, tmp_path, body):
    site.files["/m.zip"] = ("application/zip", body, '"1"')
    with pytest.raises(ModelUnusable):
        fetch_model(f"{site.url}/m.zip", None, tmp_path / "in" / "cache")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert not [path for path in (tmp_path / "in" / "cache").iterdir() if path.is_dir()]


@pytest.mark.parametrize("path", ["/m.zip", "/m.tgz", "/m.joblib"])
def test_a_model_that_would_fill_the_disk_is_given_up(site, tmp_path, path, monkeypatch):
    monkeypatch.setattr(storage_sources, "MOST_BYTES", 100_000)
    zeros = bytes(10_000_000)
    made = {".zip": zip_of(("a", zeros, 0)), ".tgz": tar_of(("a", zeros, {})), ".joblib": zeros}
    kinds = {".zip": "application/zip", ".tgz": "application/gzip", ".joblib": OCTETS}
    ending = path[path.index(".") :]
    site.files[path] = (kinds[ending], made[ending], '"1"')
    with pytest.raises(ModelUnusable, match="larger"):
        fetch_model(site.url + path, None, tmp_path)
    assert not [found for found in tmp_path.iterdir() if found.is_dir()]


@pytest.mark.parametrize(
    ("path", "answer", "told"),
    [
        ("/nothing.joblib", None, r"returned a 404 response code"),
        ("/", None, "No filename contained in URI"),
        ("/page.joblib", ("text/html", b"<p>log in", ""), "'Content-Type': application/octet-stream"),
        ("/page.zip", ("text/html", b"<p>log in", ""), "'Content-Type': application/x-zip-compressed"),
    ],
)
def test_what_is_no_model_is_refused_in_kserves_words(site, tmp_path, path, answer, told):
    if answer:
        site.files[path] = answer
    with pytest.raises(ModelUnusable, match=told):
        fetch_model(site.url + path, None, tmp_path)


def test_headers_of_a_secret_go_to_its_host_and_nowhere_else(site, tmp_path):
    site.files["/m.joblib"] = (OCTETS, b"one", '"1"')
    storage = {"127.0.0.1-headers": '{"Authorization": "Bearer t"}', "other-headers": '{"X-Other": "1"}'}
    fetch_model(f"{site.url}/m.joblib", None, tmp_path, storage=storage)
    ((_, headers),) = site.asked
    assert headers["Authorization"] == "Bearer t"
    assert "X-Other" not in headers


def test_a_folder_is_read_only_where_that_was_allowed(tmp_path):
    (tmp_path / "allowed" / "m").mkdir(parents=True)
    (tmp_path / "allowed" / "m" / "model.bin").write_text("x")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("k")
    (tmp_path / "allowed" / "way").symlink_to(tmp_path / "secret")

    def fetch(path):
        return fetch_model(f"file://{path}", None, tmp_path / "cache", folders=[tmp_path / "allowed"])

    assert files_of(fetch(tmp_path / "allowed" / "m")) == {"model.bin": b"x"}
    for path in (
        "secret",
        "secret/key",
        "allowed/../secret",
        "allowed/way",
        "allowed/way/key",
        "allowed/%2e%2e/secret",
    ):
        with pytest.raises(ModelUnusable, match="MODELYARD_MODEL_FOLDERS"):
            fetch(tmp_path / path)


def test_a_link_in_a_models_folder_leads_nowhere_else(tmp_path):
    folder = tmp_path / "m"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "real").write_text("x")
    (folder / "inside").symlink_to("data/real")
    fetched = fetch_model(f"file://{folder}", None, tmp_path / "cache", folders=[tmp_path])
    assert files_of(fetched) == {"data/real": b"x", "inside": b"x"}
    assert not (fetched / "inside").is_symlink()
    (folder / "outside").symlink_to("/etc/passwd")
    with pytest.raises(ModelUnusable, match="leads out"):
        fetch_model(f"file://{folder}", None, tmp_path / "cache", folders=[tmp_path])


def test_a_pipe_in_a_models_folder_does_not_make_the_replica_wait(tmp_path):
    (tmp_path / "m").mkdir()
    os.mkfifo(tmp_path / "m" / "pipe")
    with pytest.raises(ModelUnusable, match="neither a file nor a folder"):
        fetch_model(f"file://{tmp_path}/m", None, tmp_path / "cache", folders=[tmp_path])


def test_options_of_s3_come_from_the_variables_of_the_storage_initializer():
    told = {
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_ENDPOINT_URL": "http://minio:9000",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "S3_VERIFY_SSL": "0",
    }
    made = s3_options(told)
    assert (made["key"], made["secret"], made["endpoint_url"], made["anon"]) == ("k", "s", "http://minio:9000", False)
    assert made["client_kwargs"] == {"region_name": "eu-west-1", "verify": False}
    anonymous = s3_options({**told, "awsAnonymousCredential": "true"})
    assert (anonymous["anon"], anonymous["key"], anonymous["secret"]) == (True, None, None)
    assert s3_options({"AWS_CA_BUNDLE": "/ca.pem"})["client_kwargs"]["verify"] == "/ca.pem"


def test_keys_of_the_yard_never_go_to_another_store(monkeypatch):
    for name, value in {"AWS_ACCESS_KEY_ID": "y", "AWS_SECRET_ACCESS_KEY": "y", "AWS_ENDPOINT_URL": "http://y"}.items():
        monkeypatch.setenv(name, value)
    assert s3_options({})["endpoint_url"] == "http://y"
    foreign = s3_options({"AWS_ENDPOINT_URL": "http://other"})
    assert (foreign["anon"], foreign["key"], foreign["endpoint_url"]) == (True, None, "http://other")
    amazon = s3_options({"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"})
    assert (amazon["key"], amazon["endpoint_url"]) == ("k", None)
    assert amazon["config_kwargs"]["ignore_configured_endpoint_urls"] is True
