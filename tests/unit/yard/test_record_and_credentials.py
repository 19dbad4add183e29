import json
import stat

import pytest

from modelyard.connections import connect
from modelyard.errors import YardError, YardNotUp
from modelyard.settings import Settings
from modelyard.yard.credentials import load_credentials
from modelyard.yard.layout import PORT_BLOCK, PORTS, Layout
from modelyard.yard.record import SCHEMA, new_record, read_record, write_private, write_record


def test_a_record_comes_back_as_it_was_written(tmp_path):
    record = new_record(substrate="local", ports=7600, python="3.11", lock="abc")
    write_record(tmp_path / "yard.json", record)
    assert read_record(tmp_path / "yard.json") == record


def test_a_record_of_a_newer_schema_is_refused_with_the_way_out(tmp_path):
    record = new_record(substrate="local", ports=7600, python="3.11", lock="abc")
    write_record(tmp_path / "yard.json", record)
    held = json.loads((tmp_path / "yard.json").read_text())
    (tmp_path / "yard.json").write_text(json.dumps({**held, "schema": SCHEMA + 1}))
    with pytest.raises(YardError, match="git pull"):
        read_record(tmp_path / "yard.json")


def test_a_damaged_record_is_told_and_kept(tmp_path):
    (tmp_path / "yard.json").write_text('{"schema": 1, "id"')
    with pytest.raises(YardError, match="damaged"):
        read_record(tmp_path / "yard.json")
    assert (tmp_path / "yard.json").exists()


def test_credentials_are_made_once_are_private_and_differ_between_yards(tmp_path):
    first = load_credentials(tmp_path / "a" / "secrets.json")
    assert load_credentials(tmp_path / "a" / "secrets.json") == first
    assert stat.S_IMODE((tmp_path / "a" / "secrets.json").stat().st_mode) == 0o600
    other = load_credentials(tmp_path / "b" / "secrets.json")
    assert not set(vars(first).values()) & set(vars(other).values())


def test_every_service_has_a_port_of_its_own_within_the_block():
    assert len(set(PORTS.values())) == len(PORTS)
    assert max(PORTS.values()) < PORT_BLOCK


def test_sockets_of_a_yard_in_a_very_long_path_stay_within_the_limit_of_the_kernel(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    layout = Layout(tmp_path / ("x" * 200), "0123456789abcdef")
    assert len(str(layout.socket("envoy-admin")).encode()) < 104


def test_connecting_where_there_is_no_yard_says_up(tmp_path, monkeypatch):
    monkeypatch.delenv("MODELYARD_FOLDER", raising=False)
    with pytest.raises(YardNotUp, match="invoke up"):
        connect(settings=Settings(state_dir=tmp_path, name="none"))


def test_a_process_of_the_yard_finds_it_by_its_folder(tmp_path, monkeypatch):
    write_record(tmp_path / "yard.json", new_record(substrate="local", ports=9100, python="3.11", lock=""))
    monkeypatch.setenv("MODELYARD_FOLDER", str(tmp_path))
    conn = connect()
    assert conn.gateway == "http://127.0.0.1:9100"
    assert conn.address("kubernetes") == "https://127.0.0.1:9101"
    assert conn.host("flights", "default") == "flights.default.localhost"
    assert conn.credentials.monitor_path in conn.logger_url


def test_a_file_that_cannot_be_written_leaves_the_old_one_and_no_part(tmp_path):
    path = tmp_path / "yard.json"
    write_private(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_private(path, "a lone surrogate cannot be written: \udc80")
    assert path.read_text() == "old"
    assert [held.name for held in tmp_path.iterdir()] == ["yard.json"]
