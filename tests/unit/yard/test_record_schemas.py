"""A yard's record of an older and of a newer schema."""

import json

import pytest

from modelyard.errors import FileDamaged, FileNewer
from modelyard.yard.record import SCHEMA, STEPS, migrate, peek_record, read_record, write_record

# yard.json as schema 1 wrote it
FIRST = {"schema": 1, "id": "0011223344556677", "substrate": "local", "ports": 7640, "python": "3.12.1", "lock": "ab"}


def written(tmp_path, held):
    path = tmp_path / "yard.json"
    path.write_text(json.dumps(held))
    return path


def test_a_yard_of_the_first_schema_keeps_its_id_and_its_ports(tmp_path):
    record = read_record(written(tmp_path, FIRST))
    assert (record.schema, record.id, record.ports, record.lock) == (SCHEMA, FIRST["id"], 7640, "ab")
    assert (record.version, record.checkout) == ("", "")


def test_reading_an_older_record_changes_nothing_until_it_is_written(tmp_path):
    path = written(tmp_path, FIRST)
    record = read_record(path)
    assert json.loads(path.read_text()) == FIRST
    write_record(path, record)
    assert json.loads(path.read_text())["schema"] == SCHEMA
    assert read_record(path) == record


def test_every_older_schema_has_a_step_to_the_next():
    assert sorted(STEPS) == list(range(1, SCHEMA))


def test_a_newer_record_is_refused_with_the_version_that_wrote_it_and_is_left_as_it_is(tmp_path):
    held = {**FIRST, "schema": SCHEMA + 1, "version": "3.1.0", "unheard_of": [1]}
    path = written(tmp_path, held)
    with pytest.raises(FileNewer, match=r"written by modelyard 3\.1\.0 with schema"):
        read_record(path)
    assert peek_record(path) == held


@pytest.mark.parametrize("schema", [None, "1", 0, -1, True, 1.0])
def test_a_schema_that_never_was_is_damage(tmp_path, schema):
    with pytest.raises(FileDamaged):
        read_record(written(tmp_path, {**FIRST, "schema": schema}))


@pytest.mark.parametrize("text", ["", "[]", "null", '{"schema": 1', '{"schema": 1}', '{"schema": 2, "id": "x"}'])
def test_half_a_record_is_damage_and_no_stack_trace(tmp_path, text):
    path = tmp_path / "yard.json"
    path.write_text(text)
    with pytest.raises(FileDamaged, match=r"yard\.json\.damaged"):
        read_record(path)


def test_a_record_that_is_no_utf_8_is_damage(tmp_path):
    path = tmp_path / "yard.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileDamaged):
        read_record(path)
    assert peek_record(path) == {}


def test_migrating_does_not_change_what_it_was_given():
    held = dict(FIRST)
    migrate(held)
    assert held == FIRST
