import socket
from pathlib import Path

import httpx
import pytest

from modelyard.errors import NameUnknown
from modelyard.toolbox.fetching import at_mirror
from modelyard.toolbox.interruptions import (
    decide_pause,
    explain_interruption,
    explain_refusal,
    is_worth_another_try,
    read_retry_after,
)
from modelyard.toolbox.mirror import describe_use, parse_platforms, plan_mirror
from modelyard.toolbox.pins import File, find_platform, load_pins
from modelyard.toolbox.reach import explain_no_answer, find_door

PINNED = File("https://github.com/p/releases/p-1.tar.gz", "p-1.tar.gz", "0" * 64)


@pytest.mark.parametrize(
    ("mirror", "address"),
    [
        ("", PINNED.address),
        ("http://10.0.0.7:8000", "http://10.0.0.7:8000/p-1.tar.gz"),
        ("http://10.0.0.7:8000/class/", "http://10.0.0.7:8000/class/p-1.tar.gz"),
        ("/media/stick", "/media/stick/p-1.tar.gz"),
        ("file:///media/a%20stick", "/media/a stick/p-1.tar.gz"),
        ("~/mirror", str(Path.home() / "mirror/p-1.tar.gz")),
    ],
)
def test_a_mirror_has_every_file_by_its_own_name(mirror, address):
    assert at_mirror(PINNED, mirror).address == address
    assert at_mirror(PINNED, mirror).sha256 == PINNED.sha256, "whoever serves it, the sum is the publisher's"


@pytest.mark.parametrize(
    ("environment", "address", "door"),
    [
        ({}, "https://github.com/x", ("github.com", 443, False)),
        ({}, "http://10.0.0.7:8000/x", ("10.0.0.7", 8000, False)),
        ({"https_proxy": "http://proxy:3128"}, "https://github.com/x", ("proxy", 3128, True)),
        ({"https_proxy": "me:secret@proxy"}, "https://github.com/x", ("proxy", 80, True)),
        (
            {"https_proxy": "http://proxy:3128", "no_proxy": "github.com"},
            "https://github.com/x",
            ("github.com", 443, False),
        ),
        ({"https_proxy": "http://proxy:3128"}, "http://10.0.0.7:8000/x", ("10.0.0.7", 8000, False)),
        ({"all_proxy": "socks5h://proxy"}, "https://github.com/x", ("proxy", 1080, True)),
    ],
)
def test_the_first_host_of_a_request_is_the_proxy_where_there_is_one(monkeypatch, environment, address, door):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert find_door(address) == door


@pytest.mark.parametrize(
    ("error", "proxy", "told"),
    [
        (None, False, "h does not answer within 5 s: no network, or it is blocked"),
        (TimeoutError(), True, "the proxy h:80 does not answer within 5 s: no network, or it is blocked"),
        (socket.gaierror(socket.EAI_AGAIN, "x"), False, "the name h is not known: no network, or no name service"),
        (ConnectionRefusedError(), True, "the proxy h:80 refuses connections on port 80"),
        (OSError(101, "Network is unreachable"), False, "h cannot be reached: Network is unreachable"),
    ],
)
def test_a_host_that_is_not_reached_is_explained(error, proxy, told):
    assert explain_no_answer("h", 80, error, proxy=proxy) == told


def test_pauses_grow_and_end_and_a_server_may_ask_for_a_longer_one():
    pauses = (0.5, 2.0, 5.0)
    assert [decide_pause(failures, pauses) for failures in (1, 2, 3, 4)] == [0.5, 2.0, 5.0, None]
    assert decide_pause(1, pauses, retry_after_s=7.0) == 7.0
    assert decide_pause(2, pauses, retry_after_s=0.0) == 2.0
    assert decide_pause(1, pauses, retry_after_s=3600.0) == 30.0, "a class does not wait for an hour"
    assert decide_pause(4, pauses, retry_after_s=1.0) is None


@pytest.mark.parametrize(
    ("value", "seconds"), [("120", 120.0), ("", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None)]
)
def test_only_seconds_are_read_from_retry_after(value, seconds):
    assert read_retry_after(value) == seconds


@pytest.mark.parametrize(
    ("status", "content_type", "told"),
    [
        (200, "application/octet-stream", ""),
        (206, "application/gzip", ""),
        (200, "", ""),
        (200, "Text/HTML;charset=utf-8", "h answers with a web page and not with the file"),
        (404, "text/html", "h does not have it (404)"),
        (403, "text/html", "h does not allow it (403); a proxy may be the one that says so"),
        (503, "text/html", "h answers 503"),
        (304, "", "h answers 304"),
    ],
)
def test_an_answer_that_is_no_file_is_explained(status, content_type, told):
    found = explain_refusal(status, content_type, "h")
    assert found.startswith(told) if told else found == ""


@pytest.mark.parametrize(
    ("error", "again", "told"),
    [
        (httpx.ConnectTimeout("timed out"), True, "h.example does not answer"),
        (httpx.ReadTimeout("timed out"), True, "nothing came from h.example for a while"),
        (httpx.ReadError("reset"), True, "the connection was cut"),
        (httpx.RemoteProtocolError("peer closed"), True, "the connection was cut"),
        (httpx.ConnectError("[Errno 111] refused"), True, "h.example: [Errno 111] refused"),
        (
            httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] x"),
            False,
            "the certificate of h.example is not trusted",
        ),
        (httpx.ProxyError("407 Proxy Authentication Required"), False, "the proxy says: 407"),
        (httpx.TooManyRedirects("20"), False, "h.example: 20"),
        (httpx.UnsupportedProtocol("ftp"), False, "h.example: ftp"),
    ],
)
def test_what_can_pass_is_tried_again_and_the_rest_is_not(error, again, told):
    assert is_worth_another_try(error) is again
    assert explain_interruption(error, "https://me:secret@h.example/x").startswith(told)


@pytest.mark.parametrize(
    ("system", "machine", "platform"),
    [
        ("Linux", "x86_64", "linux-amd64"),
        ("Linux", "aarch64", "linux-arm64"),
        ("Darwin", "arm64", "darwin-arm64"),
        ("Darwin", "x86_64", "darwin-amd64"),
        ("Linux", "riscv64", "linux-riscv64"),
    ],
)
def test_a_machine_in_the_publishers_words(system, machine, platform):
    assert find_platform(system, machine) == platform


def test_a_mirror_holds_what_the_platforms_of_a_class_need_and_each_file_once():
    files = plan_mirror(load_pins().values(), parse_platforms("linux-amd64, darwin-arm64"))
    assert [file.name for file in files if "prometheus" in file.name] == [
        "prometheus-3.13.2.linux-amd64.tar.gz",
        "prometheus-3.13.2.darwin-arm64.tar.gz",
    ]
    assert len({file.name for file in files}) == len(files) == 8


def test_a_mirror_is_for_the_platforms_that_start_a_yard_where_none_is_named():
    assert parse_platforms("") == ("linux-amd64", "linux-arm64", "darwin-arm64")
    with pytest.raises(NameUnknown, match="there is no platform windows-amd64") as unknown:
        parse_platforms("windows-amd64")
    assert "linux-arm64" in unknown.value.allowed


def test_the_lines_for_a_class_can_be_pasted():
    assert "MODELYARD_MIRROR='/media/a stick' ./invoke up" in describe_use(Path("/media/a stick"))[0]
