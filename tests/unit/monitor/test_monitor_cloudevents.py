"""Headers as a real KServe 0.20 agent sent them (recorded on kind, November 2026)."""

import base64
import json

import pytest

from modelyard.monitor.cloudevents import EventInvalid, read_binary, read_json

RECORDED = {
    "Host": "echo.demo.svc.cluster.local",
    "User-Agent": "Go-http-client/1.1",
    "Content-Length": "13",
    "Ce-Component": "predictor",
    "Ce-Endpoint": "",
    "Ce-Id": "be99cb1b-06d8-4ad1-8a44-2bc8f47091a6",
    "Ce-Inferenceservicename": "iris",
    "Ce-Metadata": "{}",
    "Ce-Namespace": "demo",
    "Ce-Recordedtime": "2026-11-24T03:25:33.306247015Z",
    "Ce-Source": "http://localhost:9081/",
    "Ce-Specversion": "1.0",
    "Ce-Time": "2026-11-24T03:25:33.305740103Z",
    "Ce-Type": "org.kubeflow.serving.inference.request",
    "Content-Type": "application/json",
}
ANNOTATIONS = {"modelyard.dev/model-version": "3", "modelyard.dev/run-id": "f00d"}


def as_asgi(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]


def test_an_event_of_a_real_agent_without_annotations_is_read():
    event = read_binary(as_asgi(RECORDED), b'{"instances":')
    assert (event.id, event.kind) == ("be99cb1b-06d8-4ad1-8a44-2bc8f47091a6", "request")
    assert (event.namespace, event.inferenceservice) == ("demo", "iris")
    assert (event.model_version, event.run_id, event.body) == ("", "", b'{"instances":')


def test_the_version_comes_from_the_annotations_of_the_revision():
    event = read_binary(as_asgi({**RECORDED, "Ce-Annotations": json.dumps(ANNOTATIONS)}), b"")
    assert (event.model_version, event.run_id) == ("3", "f00d")


@pytest.mark.parametrize("broken", ["{", "[]", "null", '{"modelyard.dev/model-version": 3}'])
def test_annotations_that_cannot_be_read_are_none(broken):
    assert read_binary(as_asgi({**RECORDED, "Ce-Annotations": broken}), b"").model_version == ""


@pytest.mark.parametrize("missing", ["Ce-Id", "Ce-Type"])
def test_without_id_or_type_it_is_no_event(missing):
    with pytest.raises(EventInvalid):
        read_binary(as_asgi({k: v for k, v in RECORDED.items() if k != missing}), b"")


def test_an_event_of_another_type_is_read_as_such():
    assert read_binary(as_asgi({**RECORDED, "Ce-Type": "com.example.other"}), b"").kind == "other"


def test_a_batch_holds_data_as_json_or_as_base64():
    common = {"specversion": "1.0", "source": "x", "type": RECORDED["Ce-Type"], "inferenceservicename": "iris"}
    one = {**common, "id": "1", "data": {"instances": [{"a": 1}]}, "annotations": json.dumps(ANNOTATIONS)}
    other = {**common, "id": "2", "data_base64": base64.b64encode(b"\x00raw").decode()}
    events = read_json(json.dumps([one, other]).encode())
    assert [json.loads(events[0].body), events[1].body] == [{"instances": [{"a": 1}]}, b"\x00raw"]
    assert [event.model_version for event in events] == ["3", ""]
    assert read_json(json.dumps(one).encode())[0].id == "1"


@pytest.mark.parametrize("body", [b"", b"3", b'[{"id": "1"}]', b'[{"id":"1","type":"t","data_base64":"%"}]'])
def test_a_batch_with_one_bad_event_is_refused_whole(body):
    with pytest.raises(EventInvalid):
        read_json(body)
