"""Pods are read, never written, and their logs are told as a kubelet does."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from modelyard.serving.api import create_app
from modelyard.serving.api.errors import ApiError
from modelyard.serving.api.logs import Lines, LogOptions, log_options, log_path, start_of_tail, stream, time_of
from modelyard.serving.api.pod_rows import event_cells, node_cells, pod_cells
from modelyard.serving.nodes import keep_node, node_name
from modelyard.serving.store import Store

NOW = 1_790_000_000.0
NAME = "flights-predictor-00001-deployment-dfdc8fcc4-p2p7b"
LINES = b"one\ntwo\nthree\n"


def pod(name: str = NAME, *, phase: str = "Running", ready: bool = True, **container) -> dict:
    held = {"name": "kserve-container", "ready": ready, "restartCount": 0, "state": {"running": {}}, **container}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "default",
            "labels": {"serving.knative.dev/revision": "flights-predictor-00001"},
        },
        "spec": {"containers": [{"name": "kserve-container"}], "nodeName": "here"},
        "status": {"phase": phase, "podIPs": [{"ip": "127.0.0.1"}], "containerStatuses": [held]},
    }


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / f"{NAME}.log").write_bytes(LINES)
    return folder


@pytest.fixture
def ask_pods(make_ask: Callable, store: Store, logs: Path) -> Callable:
    store.create("pods", pod())
    return make_ask(create_app(store, token="a-token", logs=logs))


def read(path: Path, options: LogOptions) -> bytes:
    async def everything() -> bytes:
        with path.open("rb") as file:
            pieces = stream(file, options, runs=lambda: False, wait=lambda: asyncio.sleep(0))
            return b"".join([piece async for piece in pieces])

    return asyncio.run(everything())


LOG = f"/api/v1/namespaces/default/pods/{NAME}/log"


def test_a_log_is_plain_text(ask_pods: Callable) -> None:
    answer = ask_pods("GET", LOG)
    assert (answer.status_code, answer.content) == (200, LINES)
    assert answer.headers["content-type"].startswith("text/plain")
    assert ask_pods("GET", f"{LOG}?container=kserve-container&tailLines=1").content == b"three\n"


@pytest.mark.parametrize(
    ("query", "code", "told"),
    [
        ("container=queue-proxy", 400, f"container queue-proxy is not valid for pod {NAME}"),
        ("previous=true", 400, f'previous terminated container "kserve-container" in pod "{NAME}" not found'),
        ("tailLines=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("tailLines=-1", 422, "tailLines: Invalid value: -1: must be greater than or equal to 0"),
        ("sinceSeconds=0", 422, "sinceSeconds: Invalid value: 0: must be greater than 0"),
        ("limitBytes=0", 422, "limitBytes: Invalid value: 0"),
        ("sinceTime=yesterday", 400, "yesterday"),
        ("sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z", 422, "at most one of"),
        ("follow=perhaps", 400, "perhaps"),
        ("stream=Stderr", 422, "stream: Unsupported value"),
    ],
)
def test_a_log_that_cannot_be_had_says_why(query: str, code: int, told: str, ask_pods: Callable) -> None:
    answer = ask_pods("GET", f"{LOG}?{query}")
    assert answer.status_code == code
    assert told in answer.json()["message"]


def test_a_pod_that_is_not_there_has_no_log(ask_pods: Callable) -> None:
    answer = ask_pods("GET", "/api/v1/namespaces/default/pods/nothing/log")
    assert (answer.status_code, answer.json()["message"]) == (404, 'pods "nothing" not found')


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", [f"/api/v1/namespaces/default/pods/{NAME}", "/api/v1/namespaces/default/pods", LOG])
def test_pods_refuse_every_way_of_writing(method: str, path: str, ask_pods: Callable, store: Store) -> None:
    answer = ask_pods(method, path, {"metadata": {"name": NAME}})
    assert answer.status_code in (404, 405)
    assert answer.status_code == 405 or (method in ("PUT", "PATCH") and path.endswith("pods"))
    assert len(store.list("pods")[0]) == 1


def test_discovery_offers_reading_only(ask_pods: Callable) -> None:
    kinds = {kind["name"]: kind for kind in ask_pods("GET", "/api/v1").json()["resources"]}
    for name in ("pods", "nodes", "events"):
        assert sorted(kinds[name]["verbs"]) == ["get", "list", "watch"]
    assert kinds["pods/log"]["verbs"] == ["get"]
    assert kinds["pods"]["shortNames"] == ["po"]


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("status.phase=Running", 1),
        ("status.phase!=Running", 0),
        ("spec.nodeName=here,metadata.name!=other", 1),
        ("status.podIP=1.2.3.4", 0),
    ],
)
def test_pods_are_selected_by_the_fields_that_kubectl_names(selector: str, found: int, ask_pods: Callable) -> None:
    answer = ask_pods("GET", f"/api/v1/pods?fieldSelector={selector}")
    assert len(answer.json()["items"]) == found
    wrong = ask_pods("GET", "/api/v1/pods?fieldSelector=spec.containers=a")
    assert (wrong.status_code, wrong.json()["message"]) == (400, "field label not supported: spec.containers")


# Expected words: kubernetes' TestPrintPod (pkg/printers/internalversion/printers_test.go).
@pytest.mark.parametrize(
    ("made", "ready", "word", "restarts"),
    [
        (pod(), "1/1", "Running", "0"),
        (pod(ready=False), "0/1", "Running", "0"),
        (pod(ready=False, state={"waiting": {"reason": "CrashLoopBackOff"}}), "0/1", "CrashLoopBackOff", "0"),
        (pod(ready=False, state={"terminated": {"reason": "Error", "exitCode": 1}}), "0/1", "Error", "0"),
        (pod(ready=False, state={"terminated": {"exitCode": 3}}), "0/1", "ExitCode:3", "0"),
        (pod(restartCount=3), "1/1", "Running", "3"),
        (
            pod(restartCount=3, lastState={"terminated": {"finishedAt": "2026-09-21T14:13:10Z"}}),
            "1/1",
            "Running",
            "3 (10s ago)",
        ),
    ],
)
def test_a_pods_row_has_upstreams_words(made: dict, ready: str, word: str, restarts: str) -> None:
    made["metadata"]["creationTimestamp"] = "2026-09-21T14:08:20Z"
    row = pod_cells(made, NOW)
    assert row == [NAME, ready, word, restarts, "5m", "127.0.0.1", "here", "<none>", "<none>"]


def test_pending_and_leaving_pods_have_their_words() -> None:
    waits = {"metadata": {"name": "a"}, "spec": {"containers": [{}]}, "status": {"phase": "Pending"}}
    assert pod_cells(waits, NOW)[1:] == ["0/1", "Pending", "0", "<unknown>", "<none>", "<none>", "<none>", "<none>"]
    leaving = pod()
    leaving["metadata"]["deletionTimestamp"] = "2026-09-21T14:13:10Z"
    assert pod_cells(leaving, NOW)[2] == "Terminating"


def test_the_node_is_this_machine_and_tells_of_its_devices(store: Store) -> None:
    keep_node(store, gpus=2)
    written = store.version
    keep_node(store, gpus=2)
    assert store.version == written
    (node,) = store.list("nodes")[0]
    assert node["status"]["capacity"]["nvidia.com/gpu"] == "2"
    assert int(node["status"]["capacity"]["cpu"]) == os.cpu_count()
    assert node_cells(node, NOW)[:3] == [node_name(), "Ready", "<none>"]
    keep_node(store)
    assert "nvidia.com/gpu" not in store.list("nodes")[0][0]["status"]["capacity"]


def test_an_events_row_tells_who_what_and_how_often() -> None:
    event = {
        "metadata": {"name": "e.1"},
        "involvedObject": {"kind": "Pod", "name": "a"},
        "source": {"component": "modelyard-serving"},
        "type": "Warning",
        "reason": "BackOff",
        "message": "again\n",
        "count": 4,
        "firstTimestamp": "2026-09-21T14:12:20Z",
        "lastTimestamp": "2026-09-21T14:13:10Z",
    }
    told = ["10s", "Warning", "BackOff", "pod/a", "", "modelyard-serving", "again", "60s", "4", "e.1"]
    assert event_cells(event, NOW) == told


@pytest.mark.parametrize(
    ("held", "lines", "tail"),
    [
        (b"", 3, b""),
        (b"a", 1, b"a"),
        (b"a\nb\nc\n", 0, b""),
        (b"a\nb\nc\n", 1, b"c\n"),
        (b"a\nb\nc", 2, b"b\nc"),
        (b"a\nb\nc\n", 9, b"a\nb\nc\n"),
        (b"\n\n\n", 2, b"\n\n"),
        (b"x" * 70_000 + b"\ny\n", 1, b"y\n"),
        (b"x" * 70_000 + b"\n" + b"y" * 70_000, 2, b"x" * 70_000 + b"\n" + b"y" * 70_000),
        (b"line\n" * 50_000, 30_000, b"line\n" * 30_000),
    ],
)
def test_a_tail_is_so_many_lines_however_long(held: bytes, lines: int, tail: bytes, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(held)
    with path.open("rb") as file:
        file.seek(start_of_tail(file, lines))
        assert file.read() == tail


def test_times_are_those_that_lines_begin_with() -> None:
    assert time_of(b"2026-09-21T14:13:20Z word") == NOW
    assert time_of(b"2026-09-21T16:13:20.5+02:00 word") == NOW + 0.5
    assert time_of(b"2026-09-21 14:13:20.250 17 kserve INFO [a.py:b():1] word") == pytest.approx(
        time_of(b"2026-09-21 14:13:20 w") + 0.25
    )
    assert time_of(b"Traceback (most recent call last):") is None
    assert time_of(b"2026-99-21 14:13:20 w") is None


def test_a_line_without_a_time_has_that_of_the_line_before(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"early\n2026-09-21T14:13:20.125Z a\nTraceback\n2026-09-21T14:13:30Z b\nlast")
    told = [line.split(b" ", 1) for line in read(path, LogOptions(timestamps=True)).split(b"\n")]
    early, late = b"2026-09-21T14:13:20.125000000Z", b"2026-09-21T14:13:30.000000000Z"
    assert [time for time, _ in told] == [early, early, early, late, late]
    assert told[2][1] == b"Traceback"
    assert read(path, LogOptions(since=NOW + 5)) == b"2026-09-21T14:13:30Z b\nlast"


def test_a_limit_cuts_at_that_byte(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(LINES)
    assert read(path, LogOptions(limit_bytes=5)) == LINES[:5]
    assert read(path, LogOptions(limit_bytes=500)) == LINES


def test_a_followed_log_ends_with_the_last_words_of_the_replica(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"first\n")
    runs = iter([True, True, False])
    words = iter([b"second\n", b"last words"])

    async def wait() -> None:
        with path.open("ab") as file:
            file.write(next(words))

    async def everything() -> list[bytes]:
        with path.open("rb") as file:
            return [piece async for piece in stream(file, LogOptions(), runs=lambda: next(runs), wait=wait)]

    assert asyncio.run(everything()) == [b"first\n", b"second\n", b"last words"]


def test_a_followed_log_that_was_cut_off_goes_on_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"a long line before the cut\n")
    runs = iter([True, False])

    async def wait() -> None:
        path.write_bytes(b"after\n")

    async def everything() -> list[bytes]:
        with path.open("rb") as file:
            return [piece async for piece in stream(file, LogOptions(), runs=lambda: next(runs), wait=wait)]

    assert asyncio.run(everything()) == [b"a long line before the cut\n", b"after\n"]


def test_a_line_that_is_written_in_two_halves_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"2026-09-21T14:13:20Z ha")
    lines = Lines(LogOptions(timestamps=True))
    with path.open("rb") as file:
        assert b"".join(lines.pieces(file, last=False)) == b""
        with path.open("ab") as more:
            more.write(b"lf\n")
        told = b"".join(lines.pieces(file, last=False))
    assert told == b"2026-09-21T14:13:20.000000000Z 2026-09-21T14:13:20Z half\n"


@pytest.mark.parametrize(
    "name", ["../../secret", "..%2Fsecret", "flights-predictor-00001-../../../secret", "/etc/passwd", "a\x00b", ""]
)
def test_an_annotation_leads_to_no_file_but_a_log_of_the_same_revision(name: str, logs: Path) -> None:
    (logs.parent / "secret.log").write_text("secret")
    (logs.parent / "secret").write_text("secret")
    asked = pod()
    asked["metadata"]["annotations"] = {"modelyard.dev/previous-replica": name}
    with pytest.raises(ApiError) as caught:
        log_path(logs, asked, LogOptions(previous=True))
    assert caught.value.code == 400


def test_the_previous_log_is_that_of_the_replica_before(logs: Path) -> None:
    before = "flights-predictor-00001-deployment-dfdc8fcc4-zzzzz"
    (logs / f"{before}.log").write_text("Traceback")
    asked = pod()
    asked["metadata"]["annotations"] = {"modelyard.dev/previous-replica": before}
    assert log_path(logs, asked, LogOptions(previous=True)).read_text() == "Traceback"


def test_the_log_of_a_pod_that_waits_for_its_restart_is_that_of_its_end(logs: Path) -> None:
    waits = pod(ready=False, state={"waiting": {"reason": "CrashLoopBackOff"}})
    for previous in (False, True):
        assert log_path(logs, waits, LogOptions(previous=previous)).name == f"{NAME}.log"


def test_a_link_in_the_folder_of_logs_is_not_followed(logs: Path) -> None:
    (logs.parent / "secret").write_text("secret")
    linked = "flights-predictor-00001-deployment-dfdc8fcc4-links"
    (logs / f"{linked}.log").symlink_to(logs.parent / "secret")
    with pytest.raises(ApiError):
        log_path(logs, pod(linked), LogOptions())


def test_options_are_what_kubectl_sends() -> None:
    query = {"follow": "true", "tailLines": "10", "timestamps": "true", "sinceSeconds": "60", "container": "c"}
    wanted = LogOptions(follow=True, tail_lines=10, timestamps=True, since=NOW - 60, container="c")
    assert log_options(query, now=NOW) == wanted
