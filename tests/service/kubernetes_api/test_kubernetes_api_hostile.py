"""Hostile bytes on the API's own socket: nothing is answered without the token, and the API lives on."""

from __future__ import annotations

import gc
import re
import socket
import ssl
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import LiveApi

# asyncio leaves the transport of a client that goes in mid-handshake to the garbage collector, which says so.
pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

TOKEN = "token-of-the-tests"
"""Of the fixture live_api."""
bounded = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
PATH = b"/apis/serving.kserve.io/v1beta1/inferenceservices"
AUTHORIZED = b"Authorization: Bearer " + TOKEN.encode() + b"\r\n"


@pytest.fixture(autouse=True)
def garbage_of_each_test_is_its_own() -> Iterator[None]:
    yield
    gc.collect()


@cache
def trusting() -> ssl.SSLContext:
    """Takes any certificate: who answers is not the question here."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def talk(api: LiveApi, sent: bytes, *, tls: bool = True) -> bytes:
    """What comes back for these bytes until the API ends the connection or has nothing more to say."""
    where = urlsplit(api.address)
    parts = []
    with socket.create_connection((where.hostname, where.port), timeout=5) as plain:
        channel = trusting().wrap_socket(plain) if tls else plain
        try:
            channel.sendall(sent)
            if tls:
                channel.settimeout(0.2)  # the API waits for the rest of many of these
            else:
                channel.shutdown(socket.SHUT_WR)
            while part := channel.recv(65536):
                parts.append(part)
                if answers(b"".join(parts)):
                    channel.settimeout(0.05)
        except (OSError, ssl.SSLError):
            pass
        finally:
            channel.close()
    return b"".join(parts)


def answers(told: bytes) -> list[int]:
    """Status codes of the answers in a stream."""
    return [int(code) for code in re.findall(rb"HTTP/1\.[01] (\d{3}) ", told)]


def expect_unharmed(api: LiveApi) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = httpx.get(f"{api.address}{PATH.decode()}", headers=headers, verify=trusting())
    assert answer.status_code == 200


MALFORMED = {
    "nothing": b"\r\n\r\n",
    "no version": b"GET " + PATH + b"\r\n\r\n",
    "version 9": b"GET " + PATH + b" HTTP/9.9\r\n\r\n",
    "two lengths": b"POST " + PATH + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "length and chunks": b"POST "
    + PATH
    + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "negative length": b"POST " + PATH + b" HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    "a chunk that is none": b"POST " + PATH + b" HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a huge chunk": b"POST "
    + PATH
    + b" HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
    "a header without end": b"GET " + PATH + b" HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 200_000,
    "many headers": b"GET " + PATH + b" HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
    "a line without end": b"GET /" + b"a" * 200_000,
    "bare newlines": b"GET " + PATH + b" HTTP/1.1\nHost: a\n\n",
    "a null": b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a folded header": b"GET "
    + PATH
    + b" HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer\r\n "
    + TOKEN.encode()
    + b"\r\n\r\n",
    "an address as path": b"GET https://elsewhere/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "a tunnel": b"CONNECT elsewhere:443 HTTP/1.1\r\nHost: elsewhere\r\n\r\n",
    "an upgrade": b"GET " + PATH + b" HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00" * 20,
    "two tokens": b"GET "
    + PATH
    + b" HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\nAuthorization: Basic eA==\r\n\r\n",
    "a token in the path": b"GET " + PATH + b"?access_token=" + TOKEN.encode() + b" HTTP/1.1\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_requests_without_a_token_get_no_answer_but_a_refusal(api: LiveApi, name: str) -> None:
    assert all(400 <= code < 500 for code in answers(talk(api, MALFORMED[name])))
    expect_unharmed(api)


@bounded
@given(
    method=st.sampled_from([b"GET", b"POST", b"PATCH", b"X", b""]),
    target=st.one_of(st.just(PATH), st.binary(max_size=30)),
    headers=st.lists(
        st.one_of(
            st.sampled_from(
                [AUTHORIZED, b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n"]
            ),
            st.binary(max_size=30),
        ),
        max_size=4,
    ),
    body=st.binary(max_size=30),
)
def test_random_bytes_are_never_answered_by_a_fault(
    live_api: LiveApi, method: bytes, target: bytes, headers: list[bytes], body: bytes
) -> None:
    sent = (
        method + b" " + target + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + b"".join(headers) + b"\r\n" + body
    )
    codes = answers(talk(live_api, sent))
    assert all(code < 500 for code in codes)
    if AUTHORIZED not in sent:
        assert all(400 <= code < 500 for code in codes if code != 100)


def test_bytes_that_are_no_tls_harm_nobody(api: LiveApi) -> None:
    for sent in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00" + b"\x00" * 600, b"\x00" * 100_000, b""):
        assert b"200 OK" not in talk(api, sent, tls=False)
        expect_unharmed(api)


def test_hundred_connections_that_say_nothing_keep_nobody_waiting(api: LiveApi) -> None:
    where = urlsplit(api.address)
    held = [socket.create_connection((where.hostname, where.port), timeout=5) for _ in range(100)]
    try:
        for one in held[::2]:
            one.sendall(b"\x16\x03\x01")
        expect_unharmed(api)
    finally:
        for one in held:
            one.close()
    expect_unharmed(api)
