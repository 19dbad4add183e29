"""uv and the reasons of a registry, before there is an environment; the index is one of our own on this machine."""

import hashlib
import http.server
import io
import os
import threading
import zipfile
from contextlib import contextmanager
from functools import partial

import pytest

from modelyard.packages import choose_wheel, fetch_uv, hide_password, index_of, why_not

LINUX = {"system": "Linux", "machine": "x86_64"}
PAGE = """<a href="uv-0.9.9-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl#sha256=aa">..</a>
<a href="../../files/uv-0.10.2-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl#sha256=bb" data-x="y">..</a>
<a href="uv-0.11.0-py3-none-win_amd64.whl">..</a> <a href="uv-0.11.0rc1-py3-none-manylinux_2_17_x86_64.whl">..</a>
<a href="uv-0.11.0-py3-none-musllinux_1_1_x86_64.whl">..</a> <a href="uv-0.11.0.tar.gz">..</a>
<a href="uv-0.10.2-py3-none-macosx_11_0_arm64.whl">..</a>
<a href="uv-0.10.2-py3-none-manylinux_2_28_aarch64.whl">..</a>"""


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing."""


@contextmanager
def serving(folder):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def index_with_uv(folder, *, sha256=None):
    """A package index with one wheel of uv, whose program is a stand-in."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as wheel:
        wheel.writestr("uv-1.2.3.data/scripts/uv", "#!/bin/sh\necho uv 1.2.3\n")
        wheel.writestr("uv-1.2.3.data/scripts/uvx", "")
    place = folder / "uv"
    place.mkdir()
    system = os.uname()
    tag = f"manylinux_2_17_{system.machine}" if system.sysname == "Linux" else f"macosx_11_0_{system.machine}"
    name = f"uv-1.2.3-py3-none-{tag}.whl"
    (place / name).write_bytes(held.getvalue())
    told = sha256 or hashlib.sha256(held.getvalue()).hexdigest()
    (place / "index.html").write_text(f'<a href="{name}#sha256={told}">{name}</a>')


def test_the_newest_release_for_the_machine_is_chosen_by_number_and_not_by_letters():
    wheel = choose_wheel(PAGE, "https://mirror/simple/uv/", **LINUX)
    assert (wheel.version, wheel.sha256) == ((0, 10, 2), "bb")
    assert wheel.address.startswith("https://mirror/files/uv-0.10.2-py3-none-manylinux")


@pytest.mark.parametrize(
    ("system", "machine", "part"),
    [("Darwin", "arm64", "macosx_11_0_arm64"), ("Linux", "aarch64", "2_28_aarch64"), ("Linux", "arm64", "_aarch64")],
)
def test_every_machine_that_works_has_its_wheel(system, machine, part):
    assert part in choose_wheel(PAGE, "https://mirror/simple/uv/", system=system, machine=machine).address


def test_a_machine_without_a_wheel_has_none():
    assert choose_wheel(PAGE, "https://mirror/simple/uv/", system="Linux", machine="riscv64") is None


def test_the_program_is_put_into_the_folder_whole(tmp_path):
    (tmp_path / "bin").mkdir()
    index_with_uv(tmp_path)
    with serving(tmp_path) as index:
        fetch_uv(index, tmp_path / "bin")
    assert [path.name for path in (tmp_path / "bin").iterdir()] == ["uv"]
    assert os.access(tmp_path / "bin" / "uv", os.X_OK)


def test_a_wheel_with_another_sum_is_not_used(tmp_path):
    (tmp_path / "bin").mkdir()
    index_with_uv(tmp_path, sha256="0" * 64)
    with serving(tmp_path) as index, pytest.raises(ValueError, match="sha256 differs"):
        fetch_uv(index, tmp_path / "bin")
    assert list((tmp_path / "bin").iterdir()) == []


def test_why_a_registry_does_not_do_is_one_line(tmp_path):
    with serving(tmp_path) as index:
        assert f"{index} answers 404" in why_not(index, {})
    assert f"{index} does not answer" in why_not(index, {})
    told = why_not("http://me:secret@127.0.0.1:9", {"HTTPS_PROXY": "http://you:word@proxy:3128"})
    assert "http://127.0.0.1:9 does not answer (through the proxy http://proxy:3128)" in told
    assert "secret" not in told and "word@" not in told


def test_the_index_is_that_of_uv_then_that_of_pip_then_pypi():
    assert (
        index_of({"PIP_INDEX_URL": "https://pip/simple/", "UV_DEFAULT_INDEX": "https://uv/simple"})
        == "https://uv/simple"
    )
    assert index_of({"PIP_INDEX_URL": "https://pip/simple/"}) == "https://pip/simple"
    assert index_of({}) == "https://pypi.org/simple"


def test_a_password_is_hidden():
    assert hide_password("https://me:secret@host/simple") == "https://host/simple"
