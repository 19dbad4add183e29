"""A publisher's file server of a test's own: real HTTP over real sockets, with the faults of real networks; and
toolboxes that know only it."""

import hashlib
import io
import random
import socket
import ssl
import tarfile
import threading
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme

from modelyard.toolbox import Toolbox
from modelyard.toolbox.download import Limits
from modelyard.toolbox.pins import File, Pin, Release

NAME = "prometheus-3.13.2.test.tar.gz"
PADDING_BYTES = 2_000_000


def archive(told="prometheus, version 3.13.2 (branch: HEAD)", *, top="prometheus-3.13.2.test", also=()):
    """A real release: a gzipped tar with one folder that holds a program and a file that does not compress."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as out:
        for name, mode, content in (
            (f"{top}/prometheus", 0o755, f"#!/bin/sh\necho '{told}'\n".encode()),
            (f"{top}/promtool", 0o755, b"#!/bin/sh\necho 'promtool, version 3.13.2'\n"),
            (f"{top}/LICENSE", 0o644, random.Random(7).randbytes(PADDING_BYTES)),
            *also,
        ):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            out.addfile(member, io.BytesIO(content))
    return held.getvalue()


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@dataclass
class Answer:
    """How one file is served."""

    content: bytes = b""
    etag: str = '"one"'
    ranges: bool = True
    status: int = 200
    headers: dict = field(default_factory=dict)
    cuts: list = field(default_factory=list)
    """For each of the next requests: after how many bytes the connection is cut."""
    pause_after: int | None = None
    """After so many bytes nothing more is sent until `go_on` is set."""
    go_on: threading.Event = field(default_factory=threading.Event)
    paused: threading.Event = field(default_factory=threading.Event)
    moved_to: str = ""
    """Another address, where the file is."""
    refusals: list = field(default_factory=list)
    """For each of the next requests: a status in place of the file."""


class Publisher:
    """The server: `files` by path, `asked` as (path, Range header) in order."""

    def __init__(self, server, scheme):
        self.server = server
        self.files = {}
        self.asked = []
        self.headers = []
        self.address = f"{scheme}://127.0.0.1:{server.server_port}/"

    def publish(self, content, name=NAME, **how):
        self.files[f"/{name}"] = Answer(content, **how)
        return self.files[f"/{name}"]

    def ranges(self):
        return [asked for _, asked in self.asked]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        publisher = self.server.publisher
        path = "/" + self.path.rpartition("/")[2]
        publisher.asked.append((path, self.headers.get("Range", "")))
        publisher.headers.append(dict(self.headers))
        answer = publisher.files.get(path)
        status = answer.refusals.pop(0) if answer and answer.refusals else answer.status if answer else 404
        if answer and answer.moved_to:
            self._send(302, b"", {"Location": answer.moved_to})
            return
        if status != 200:
            content = answer.content if answer and not answer.refusals and answer.status != 200 else b"no"
            self._send(status, content, answer.headers if answer else {})
            return
        start = self._start(answer)
        headers = {"ETag": answer.etag} if answer.etag else {}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(answer.content) - 1}/{len(answer.content)}"
        self._send(206 if start else 200, answer.content[start:], {**headers, **answer.headers}, answer)

    def _start(self, answer):
        asked = self.headers.get("Range", "")
        same = self.headers.get("If-Range", answer.etag) == answer.etag
        return int(asked.removeprefix("bytes=").partition("-")[0]) if asked and answer.ranges and same else 0

    def _send(self, status, content, headers, answer=None):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if answer and answer.cuts:
            self.wfile.write(content[: answer.cuts.pop(0)])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        if answer and answer.pause_after is not None:
            self.wfile.write(content[: answer.pause_after])
            self.wfile.flush()
            answer.paused.set()
            answer.go_on.wait(60)
            content = content[answer.pause_after :]
        self.wfile.write(content)

    def do_CONNECT(self):
        self.send_error(405)

    def log_message(self, *told):
        pass


class Proxy(Handler):
    """A forward proxy: plain requests are answered from the publisher's files, CONNECT leads to `tunnel_to`."""

    def do_CONNECT(self):
        publisher = self.server.publisher
        publisher.asked.append((self.path, self.headers.get("Proxy-Authorization", "")))
        if publisher.wants_login and not self.headers.get("Proxy-Authorization"):
            self.send_error(407)
            return
        with socket.create_connection(("127.0.0.1", publisher.tunnel_to)) as far:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_pump, args=(far, self.connection), daemon=True)
            back.start()
            _pump(self.connection, far)
            back.join(10)
        self.close_connection = True


def _pump(source, sink):
    try:
        while chunk := source.recv(1 << 16):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request, client_address):
        pass  # a client that goes away in the middle is what these tests are about


@contextmanager
def serving(handler=Handler, tls=None):
    """A server on a free port; `tls` wraps its socket."""
    server = QuietServer(("127.0.0.1", 0), handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    publisher = Publisher(server, "https" if tls else "http")
    server.publisher = publisher
    publisher.wants_login, publisher.tunnel_to = False, 0
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield publisher
    finally:
        for answer in publisher.files.values():
            answer.go_on.set()
        server.shutdown()
        thread.join()
        server.server_close()


def tls_context(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def pin_of(*addresses, content, name=NAME, platform, optional=False, **more):
    """A pin of `prometheus` whose releases are at these addresses; `content` is what is pinned, not what is served."""
    return Pin(
        **{
            "name": "prometheus",
            "executables": ("prometheus",),
            "minimum": "3.0",
            "program": "prometheus",
            "optional": optional,
            "without": "no metrics",
            "releases": tuple(
                Release(version, "this test", {platform: File(address + name, name, sha256(content))})
                for version, address in zip(("3.13.2", "3.12.0"), addresses, strict=False)
            ),
            **more,
        }
    )


QUICK = Limits(connect_s=1.0, silence_s=0.5, pauses_s=(0.01, 0.01, 0.01))
RELEASE = archive()


@pytest.fixture(autouse=True)
def without_proxies(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def serve():
    """Starts a server: plain, with TLS for a name, or as a proxy."""
    with ExitStack() as stack:

        def start(*, proxy=False, tls=None):
            return stack.enter_context(serving(Proxy if proxy else Handler, tls_context(tls) if tls else None))

        yield start


@pytest.fixture
def publisher(serve):
    return serve()


@pytest.fixture(scope="session")
def authority():
    """A certificate authority that nobody trusts yet."""
    return trustme.CA()


@pytest.fixture
def release():
    """The bytes that are pinned."""
    return RELEASE


@pytest.fixture
def make_archive():
    return archive


@pytest.fixture
def make_box(tmp_path, publisher, release):
    """A toolbox whose only source is the publisher, or the addresses that are given; its lines are in `said`."""

    def make(*addresses, cache=tmp_path / "cache", limits=QUICK, content=release, mirror="", offline=False, **pinned):
        said = []
        box = Toolbox(cache, said.append, path="", mirror=mirror, offline=offline)
        box.said = said
        addresses = addresses or (publisher.address,)
        pin = pin_of(*addresses, content=content, platform=box.platform, **pinned)
        box.pins = {
            "prometheus": pin,
            "promtool": replace(pin, name="promtool", program="promtool", inside="prometheus"),
        }
        box.sources.limits = limits
        return box

    return make


class Watching:
    """A view that remembers what it was shown."""

    bars = False

    def __init__(self):
        self.lines = []
        self.shown = []

    def say(self, line):
        self.lines.append(line)

    def show(self, service, state, told=""):
        self.shown.append((service, state, told))

    def working(self):
        return nullcontext()


@pytest.fixture
def view():
    return Watching()
