import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from loadtests.benchmarks.http_load import Request, is_whole_answer, send


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.bodies.append((self.headers["host"], self.path, body))
        self.send_response(self.server.status)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    held = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    held.daemon_threads = True
    held.status, held.bodies = 200, []
    threading.Thread(target=held.serve_forever, daemon=True).start()
    yield held
    held.shutdown()
    held.server_close()


def test_the_rate_is_that_of_the_requests_which_the_server_saw(server):
    request = Request(server.server_port, "/v1/models/iris:predict", "iris.default.localhost", b"{}")
    load = send(request, seconds=0.5, connections=2)
    assert set(server.bodies) == {("iris.default.localhost", "/v1/models/iris:predict", b"{}")}
    assert load.answers == len(server.bodies)
    assert load.seconds >= 0.5
    assert load.per_s == load.answers / load.seconds


@pytest.mark.parametrize(
    ("held", "whole"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Le", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", False),
        (b"HTTP/1.1 200 OK\r\nserver: x\r\ncontent-length: 5\r\n\r\nhello", True),
    ],
)
def test_an_answer_in_pieces_is_one_answer(held, whole):
    assert is_whole_answer(held) is whole


def test_an_answer_that_is_no_200_ends_the_measurement(server):
    server.status = 503
    with pytest.raises(ConnectionError, match=r"answered HTTP/1\.1 503"):
        send(Request(server.server_port, "/", "x", b"{}"), seconds=0.5, connections=1)
