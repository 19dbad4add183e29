"""Head and body of an answer go to the kernel together; through uvicorn and a socket, with the writes counted."""

import asyncio

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from modelyard.serving.queue_proxy.joined_writes import JoinedWrites


class Noting:
    """A transport that notes what is written and passes it on."""

    def __init__(self, transport, writes):
        self._transport, self._writes = transport, writes

    def write(self, data):
        self._writes += [bytes(data)] if data else []
        self._transport.write(data)

    def __getattr__(self, name):
        return getattr(self._transport, name)


def written(app, request, *, ended_by):
    """What uvicorn writes in answer to a request."""
    writes = []

    class Protocol(HttpToolsProtocol):
        def connection_made(self, transport):
            super().connection_made(JoinedWrites(Noting(transport, writes), self.loop))

    async def talk():
        config = uvicorn.Config(app, lifespan="off", log_level="critical", date_header=False, server_header=False)
        config.load()
        loop = asyncio.get_running_loop()
        state = uvicorn.Server(config).server_state
        server = await loop.create_server(lambda: Protocol(config, state, {}), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(request)
        told = await asyncio.wait_for(reader.readuntil(ended_by), 10)
        writer.close()
        server.close()
        return told

    told = asyncio.run(talk())
    assert b"".join(writes) == told
    return writes


def answering(*parts, pause=False):
    async def app(scope, receive, send):
        length = str(sum(map(len, parts))).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        if pause:
            await asyncio.sleep(0.01)
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"


def test_an_answer_is_written_at_once():
    assert len(written(answering(b"whole answer"), POST, ended_by=b"whole answer")) == 1


def test_what_follows_the_first_part_is_not_kept_back():
    writes = written(answering(b"first", b"HTTP/1.1 is no head here"), POST, ended_by=b"here")
    assert [write[-5:] for write in writes] == [b"first", b" here"]


@pytest.mark.parametrize("request_", [POST, POST.replace(b"POST", b"HEAD")])
def test_a_head_whose_body_comes_later_or_never_is_not_kept_back(request_):
    app = answering(b"late", pause=True)
    ended_by = b"\r\n\r\n" if request_.startswith(b"HEAD") else b"late"
    assert written(app, request_, ended_by=ended_by)[0].endswith(b"\r\n\r\n")
