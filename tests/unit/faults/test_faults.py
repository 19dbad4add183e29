"""Faults as data: the catalog, the file in which they are written down, and what each changes."""

import json
from types import SimpleNamespace

import pytest
import yaml

from modelyard.errors import FaultNotMade, FileDamaged, NameUnknown
from modelyard.faults.catalog import FAULTS, KINDS, find_fault
from modelyard.faults.commands import UNDOING
from modelyard.faults.fault import Fault
from modelyard.faults.model import drop_cached, flipped, turned
from modelyard.faults.monitor import MARK, _put_back
from modelyard.faults.records import FaultRecord, read_records, write_records
from modelyard.faults.targets import choose, pid_of
from modelyard.faults.traffic import scaled

RECORD = FaultRecord("store", "gone", 12.5, "service objectstore", "it is stopped", "./invoke mend store", {"a": 1})


def test_every_kind_of_the_tasks_help_can_be_broken_and_has_its_turn_in_being_undone():
    assert KINDS == ("replica", "store", "model", "data", "monitor")
    assert sorted(UNDOING) == sorted(KINDS)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.kind}-{fault.how}")
def test_every_fault_says_what_it_breaks_how_one_notices_and_where_to_look(fault):
    assert isinstance(fault, Fault)
    assert all((fault.breaks, fault.notice, fault.look, fault.how, fault.repair))
    assert find_fault(fault.kind, fault.how) is fault


def test_the_first_way_of_a_kind_is_the_one_that_nobody_names():
    assert find_fault("store").how == "gone"


@pytest.mark.parametrize(
    ("kind", "how", "allowed"), [("", "", "replica"), ("disk", "", "store"), ("store", "x", "gone")]
)
def test_a_name_that_is_no_fault_is_answered_with_those_that_there_are(kind, how, allowed):
    with pytest.raises(NameUnknown) as caught:
        find_fault(kind, how)
    assert allowed in caught.value.allowed


def test_faults_are_written_down_whole_and_read_again(tmp_path):
    path = tmp_path / "faults.json"
    assert read_records(path) == []
    write_records(path, [RECORD])
    assert read_records(path) == [RECORD]
    assert path.stat().st_mode & 0o777 == 0o600
    write_records(path, [])
    assert not path.exists()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"faults": [{"kind": "store"}]}', '{"faults": 3}'])
def test_a_list_of_faults_that_is_damaged_is_told_and_not_taken_for_none(tmp_path, text):
    path = tmp_path / "faults.json"
    path.write_text(text)
    with pytest.raises(FileDamaged):
        read_records(path)


def test_one_byte_differs_and_the_length_does_not():
    before = bytes(range(100))
    after = flipped(before)
    assert [place for place in range(100) if before[place] != after[place]] == [50]
    assert flipped(after) == before


def test_a_model_answers_with_its_neighbours_names():
    names = [{"type": "double", "name": name} for name in ("early", "late", "on_time")]
    held = {"flavors": {}, "signature": {"inputs": "[]", "outputs": json.dumps(names)}}
    after = yaml.safe_load(turned(yaml.safe_dump(held)))
    assert [column["name"] for column in json.loads(after["signature"]["outputs"])] == ["late", "on_time", "early"]


@pytest.mark.parametrize(
    "outputs", ["[]", '[{"type": "double", "name": "y"}]', '[{"type": "double"}, {"type": "double"}]']
)
def test_a_model_without_several_named_classes_cannot_answer_in_the_wrong_order(outputs):
    with pytest.raises(FaultNotMade):
        turned(yaml.safe_dump({"signature": {"outputs": outputs}}))


def test_only_the_copies_of_that_model_are_dropped_from_the_cache(tmp_path):
    for name, digest in (("one", "aa"), ("other", "bb")):
        (tmp_path / name).mkdir()
        (tmp_path / f".{name}.digest").write_text(digest)
    drop_cached(tmp_path, "sha256:aa")
    assert not (tmp_path / "one").exists()
    assert (tmp_path / "other").exists()


def test_a_column_in_another_unit_keeps_what_is_missing():
    flights = [({"dep_delay": 2.0, "carrier": "UA"}, "late"), ({"dep_delay": None}, None)]
    assert list(scaled(iter(flights), "dep_delay", 60.0)) == [
        ({"dep_delay": 120.0, "carrier": "UA"}, "late"),
        ({"dep_delay": None}, None),
    ]


def test_reports_that_were_made_meanwhile_stay_and_the_kept_ones_join_them(tmp_path):
    kept, reports = tmp_path / "kept", tmp_path / "reports"
    for folder, names in ((kept, ("1.html", "2.html")), (reports, ("2.html", "3.html"))):
        folder.mkdir()
        for name in names:
            (folder / name).write_text(folder.name)
    _put_back(kept, reports)
    assert {path.name: path.read_text() for path in reports.iterdir()} == {
        "1.html": "kept",
        "2.html": "reports",
        "3.html": "reports",
    }


def test_the_storys_inferenceservice_is_chosen_where_nobody_names_one():
    held = [{"metadata": {"name": name}} for name in ("a", "flights")]
    assert choose(held, "")["metadata"]["name"] == "flights"
    assert choose(held, "a")["metadata"]["name"] == "a"
    assert choose(held, "b") is None
    assert choose([], "") is None


@pytest.mark.parametrize(("told", "pid"), [("process://41", 41), ("containerd://abc", None), ("", None)])
def test_a_pod_is_a_process_only_where_its_container_says_so(told, pid):
    assert pid_of({"status": {"containerStatuses": [{"containerID": told}]}}) == pid


def test_a_backlog_is_in_force_as_long_as_the_file_is_there(tmp_path):
    fault = find_fault("monitor", "backlog")
    layout = SimpleNamespace(folder=tmp_path, data=lambda name: tmp_path / "data" / name)
    nobody = SimpleNamespace(address=lambda name: "http://127.0.0.1:9", credentials=SimpleNamespace(monitor_token="t"))
    conn = SimpleNamespace(layout=layout, **vars(nobody))
    record = FaultRecord(
        "monitor", "backlog", 0.0, "service monitor", "", "", {"run": "r1", "name": "flights", "namespace": "default"}
    )
    place = tmp_path / "data" / "monitor" / "reports" / "r1"
    place.parent.mkdir(parents=True)
    assert not fault.is_there(conn, record)
    place.write_text(MARK)
    assert fault.is_there(conn, record)
    assert "when it is up" in fault.undo(conn, None, record, print)
    assert not place.exists()
