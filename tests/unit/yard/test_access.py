"""TLS, kubeconfig and shell exports: what a client of the yard is given."""

import shlex
import ssl
import stat

import pytest
import yaml
from cryptography import x509

from modelyard.connections import connect
from modelyard.settings import Settings
from modelyard.yard.environment import render_exports
from modelyard.yard.kubeconfig import write_kubeconfig
from modelyard.yard.record import new_record, write_record
from modelyard.yard.tls import write_certificates


@pytest.fixture
def conn(tmp_path):
    folder = tmp_path / "Ann's yards" / "class"
    write_record(folder / "yard.json", new_record(substrate="local", ports=7600, python="3.12", lock=""))
    write_certificates(folder / "tls", "class")
    return connect(folder, Settings(name="class", state_dir=folder.parent))


def test_a_strict_client_trusts_the_leaf_for_127_0_0_1(conn):
    client = ssl.create_default_context(cafile=str(conn.layout.tls / "ca.pem"))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(conn.layout.tls / "server.pem", conn.layout.tls / "server.key")
    for name in ("127.0.0.1", "localhost"):
        handshake(client, server, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(client, server, "example.org")


def handshake(client_context, server_context, name):
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    waiting = [client, server]
    while waiting:
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                continue


def test_the_ca_is_kept_and_the_leaf_is_made_anew(conn):
    folder = conn.layout.tls
    before = {name: (folder / name).read_bytes() for name in ("ca.pem", "server.pem", "server.key")}
    write_certificates(folder, "class")
    assert (folder / "ca.pem").read_bytes() == before["ca.pem"]
    assert (folder / "server.pem").read_bytes() != before["server.pem"]
    leaf = x509.load_pem_x509_certificate((folder / "server.pem").read_bytes())
    authority = x509.load_pem_x509_certificate(before["ca.pem"])
    leaf.verify_directly_issued_by(authority)


def test_keys_are_for_this_user_only(conn):
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in conn.layout.tls.iterdir()}
    assert set(modes.values()) == {0o600}


def test_the_kubeconfig_has_one_context_named_after_the_yard(conn):
    write_kubeconfig(conn, "default")
    held = yaml.safe_load(conn.kubeconfig.read_text())
    assert held["current-context"] == "modelyard-class"
    assert [context["name"] for context in held["contexts"]] == ["modelyard-class"]
    assert held["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:7601"
    assert held["users"][0]["user"]["token"] == conn.credentials.kubernetes_token
    assert stat.S_IMODE(conn.kubeconfig.stat().st_mode) == 0o600


def test_exports_are_quoted_and_name_the_yard_by_its_settings(conn, tmp_path):
    settings = Settings(name="class", state_dir=conn.layout.folder.parent)
    lines = render_exports(conn, settings, tmp_path / "a bin").splitlines()
    exported = dict(shlex.split(line)[1].split("=", 1) for line in lines if line.startswith("export "))
    assert exported["KUBECONFIG"] == str(conn.kubeconfig)
    assert exported["MODELYARD_NAME"] == "class"
    assert exported["MODELYARD_STATE_DIR"] == str(conn.layout.folder.parent)
    assert "MODELYARD_FOLDER" not in exported
    assert "MODELYARD_YARD" not in exported
