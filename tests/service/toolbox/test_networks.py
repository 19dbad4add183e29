"""Networks of a classroom: none, one that swallows packets, proxies, strange certificates; and mirrors instead."""

import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest

from modelyard.errors import ProgramMissing
from modelyard.toolbox.box import OnlySays
from modelyard.toolbox.mirror import SUMS, fill, plan_mirror
from modelyard.toolbox.reach import Reach


@pytest.fixture
def closed_port():
    """A port of this machine that nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@contextmanager
def swallowing():
    """A port where packets vanish: the queue of connections is full, and the kernel drops what comes."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = []
        for _ in range(3):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(server.getsockname())
            waiting.append(one)
        try:
            yield server.getsockname()[1]
        finally:
            for one in waiting:
                one.close()


def test_a_refused_connection_is_told_with_what_helps(make_box, closed_port):
    with pytest.raises(ProgramMissing, match=f"127.0.0.1 refuses connections on port {closed_port}") as missing:
        make_box(f"http://127.0.0.1:{closed_port}/").find("prometheus")
    assert "prometheus-3.13.2.test.tar.gz in the folder or at the address that MODELYARD_MIRROR names" in str(
        missing.value
    )
    assert "next: ./invoke fetch prometheus" in str(missing.value)


def test_a_name_that_is_not_known_is_told_as_no_network(make_box):
    with pytest.raises(ProgramMissing, match=r"the name nothing\.invalid is not known: no network, or no name service"):
        make_box("https://nothing.invalid/").find("prometheus")


def test_a_network_that_swallows_packets_is_known_once_for_all_programs(make_box):
    with swallowing() as port:
        address = f"http://127.0.0.1:{port}/"
        box = make_box(address, address)
        with pytest.raises(ProgramMissing, match="does not answer within"):
            box.fetch_many(["prometheus", "promtool"], OnlySays(box.said.append), patient=True)
        doors = box.sources.reach._tried
    assert list(doors) == [("127.0.0.1", port, False)], "one try of one host"


def test_a_host_is_tried_once_however_often_it_is_asked_for():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(8)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        reach = Reach(30.0)
        reach.begin([address + "a", address + "b"])
        assert [reach.why_not(address + name) for name in "abc"] == ["", "", ""]
        server.accept()[0].close()
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_an_offline_toolbox_asks_nobody(publisher, release, make_box):
    publisher.publish(release)
    with pytest.raises(ProgramMissing, match="MODELYARD_OFFLINE is set"):
        make_box(offline=True).find("prometheus")
    assert publisher.asked == []


def test_a_proxy_of_the_environment_is_asked_in_place_of_the_publisher(serve, release, make_box, monkeypatch):
    proxy = serve(proxy=True)
    proxy.publish(release)
    monkeypatch.setenv("http_proxy", proxy.address)
    make_box("http://publisher.invalid/v3/").find("prometheus")
    assert len(proxy.asked) == 1


def test_https_goes_through_the_tunnel_of_a_proxy_with_its_login(
    serve, release, make_box, authority, tmp_path, monkeypatch
):
    publisher = serve(tls=authority.issue_cert("publisher.invalid"))
    publisher.publish(release, cuts=[700_000])
    proxy = serve(proxy=True)
    proxy.wants_login, proxy.tunnel_to = True, publisher.server.server_port
    monkeypatch.setenv("HTTPS_PROXY", proxy.address.replace("://", "://somebody:secret@"))
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    make_box("https://publisher.invalid/v3/").find("prometheus")
    assert [asked for asked, _ in proxy.asked] == ["publisher.invalid:443"] * 2
    assert publisher.ranges() == ["", "bytes=700000-"]


def test_a_proxy_that_wants_a_login_is_told_without_a_second_try(serve, make_box, monkeypatch):
    proxy = serve(proxy=True)
    proxy.wants_login = True
    monkeypatch.setenv("HTTPS_PROXY", proxy.address)
    with pytest.raises(ProgramMissing, match="the proxy says: 407"):
        make_box("https://publisher.invalid/").find("prometheus")
    assert len(proxy.asked) == 1


def test_hosts_of_no_proxy_are_asked_themselves(publisher, release, make_box, closed_port, monkeypatch):
    publisher.publish(release)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    make_box().find("prometheus")
    assert len(publisher.asked) == 1


def test_a_proxy_that_is_not_there_is_named(make_box, closed_port, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://somebody:secret@127.0.0.1:{closed_port}")
    with pytest.raises(ProgramMissing, match=f"the proxy 127.0.0.1:{closed_port} refuses connections") as missing:
        make_box("http://publisher.invalid/").find("prometheus")
    assert "secret" not in str(missing.value)


def test_a_proxy_variable_that_is_none_is_told(publisher, make_box, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", publisher.address.replace("http:", "socks9:"))
    with pytest.raises(ProgramMissing, match="a proxy variable of this shell cannot be used"):
        make_box("http://publisher.invalid/").find("prometheus")


def test_a_certificate_that_nobody_knows_is_told_with_its_causes(serve, release, make_box, authority):
    publisher = serve(tls=authority.issue_cert("127.0.0.1"))
    publisher.publish(release)
    with pytest.raises(ProgramMissing, match="is not trusted: a login page of this WLAN, a wrong clock, or a proxy"):
        make_box(publisher.address).find("prometheus")
    assert publisher.asked == []


def test_a_stick_stands_in_for_the_publisher_without_any_network(publisher, release, make_box, tmp_path):
    stick = tmp_path / "an Übung stick"
    stick.mkdir()
    (stick / "prometheus-3.13.2.test.tar.gz").write_bytes(release)
    assert make_box(mirror=str(stick), offline=True).find("prometheus")
    assert publisher.asked == []
    assert (stick / "prometheus-3.13.2.test.tar.gz").exists()


@pytest.mark.parametrize("mirror", ["{stick}", "file://{stick}"])
def test_a_stick_with_another_file_or_none_is_told(make_box, tmp_path, mirror):
    box = make_box(mirror=mirror.format(stick=tmp_path))
    with pytest.raises(
        ProgramMissing, match=rf"the mirror {tmp_path} does not have prometheus-3\.13\.2\.test\.tar\.gz"
    ):
        box.find("prometheus")
    (tmp_path / "prometheus-3.13.2.test.tar.gz").write_bytes(b"something else")
    with pytest.raises(ProgramMissing, match="sha256 found"):
        box.find("prometheus")
    assert "whoever keeps the mirror changed this file" in box.said[0]


def test_a_login_of_a_mirror_is_sent_and_never_shown(publisher, make_box, view):
    publisher.publish(b"something else" * 1000)
    box = make_box(mirror=publisher.address.replace("://", "://class:secret@"))
    with pytest.raises(ProgramMissing) as missing:
        box.fetch_many(["prometheus"], view)
    assert publisher.headers[0]["Authorization"] == "Basic Y2xhc3M6c2VjcmV0"
    assert "secret" not in f"{missing.value}{box.said}{view.shown}"


@contextmanager
def pythons_file_server(folder):
    """What a workshop leader starts: `python3 -m http.server`, which knows no ranges."""
    argv = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            yield server.stdout.readline().split("port ")[1].split(" ")[0]
        finally:
            server.kill()


def test_a_mirror_is_filled_once_checked_by_sha256sum_and_serves_a_class(publisher, release, make_box, tmp_path, view):
    publisher.publish(release, cuts=[700_000])
    leader, folder = make_box(), tmp_path / "mirror"
    files = plan_mirror(leader.pins.values(), [leader.platform])
    for _ in range(2):
        assert [one.why for one in fill(folder, files, leader.sources, view)] == [""]
    assert len(publisher.asked) == 2, "what is there with the right sum is not fetched again"
    subprocess.run(["sha256sum", "--check", "--strict", SUMS], cwd=folder, check=True, capture_output=True)
    assert sorted(path.name for path in folder.iterdir()) == [SUMS, "prometheus-3.13.2.test.tar.gz"]
    with pythons_file_server(folder) as port:
        laptop = make_box(cache=tmp_path / "laptop", mirror=f"http://127.0.0.1:{port}/")
        assert laptop.find("prometheus")
    assert len(publisher.asked) == 2


def test_a_mirror_tells_of_each_file_that_could_not_be_had(publisher, make_box, tmp_path, view):
    box = make_box()
    [copied] = fill(tmp_path / "mirror", plan_mirror(box.pins.values(), [box.platform]), box.sources, view)
    assert "does not have it (404)" in copied.why
    assert view.shown[-1][:2] == ("prometheus-3.13.2.test.tar.gz", "failed")
    assert list((tmp_path / "mirror").iterdir()) == []
