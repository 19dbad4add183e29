"""Bodies that kubectl 1.37 sent in protobuf, and bytes that are none."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.serving.api.protobuf import MEDIA_TYPE, PREFIX, NotProtobuf, decode_body, decode_message

SENT = {
    "create ns team": "6b3873000a0f0a02763112094e616d657370616365121c0a140a047465616d12001a0022002a00320038004200"
    "12001a020a001a002200",
    "create secret generic s1 --from-literal=user=me --from-literal=pass=word": "6b3873000a0c0a0276311206536563726574"
    "12340a160a02733112001a047465616d22002a00320038004200120c0a04706173731204776f7264120a0a047573657212026d651a001a00"
    "2200",
    "create sa bot": "6b3873000a140a027631120e536572766963654163636f756e7412190a170a03626f7412001a047465616d22002a0032"
    "0038004200"
    "1a002200",
    "auth can-i create isvc": "6b3873000a320a17617574686f72697a6174696f6e2e6b38732e696f2f7631121753656c665375626a656374"
    "416363657373526576696577125d0a100a0012001a0022002a00320038004200123f0a3d0a0764656661756c7412066372656174651a117365727669"
    "6e672e6b73657276652e696f22002a11696e666572656e6365736572766963657332003a001a08080012001a0020001a002200",
    "create cm c2 --from-file=raw=bytes --from-literal=a=b": "6b3873000a0f0a0276311209436f6e6669674d6170122b0a160a0263"
    "3212001a047465616d22002a003200380042001206"
    "0a01611201621a090a037261771202fffe1a002200",
}
"""Recorded from kubectl 1.37.1 with `-n team`."""


def sent(command: str) -> bytes:
    return bytes.fromhex(SENT[command])


def test_a_namespace_is_read() -> None:
    read = decode_body(sent("create ns team"))
    assert (read["apiVersion"], read["kind"], read["metadata"]["name"]) == ("v1", "Namespace", "team")


def test_a_secret_is_read_with_its_data_in_base64() -> None:
    read = decode_body(sent("create secret generic s1 --from-literal=user=me --from-literal=pass=word"))
    assert read["data"] == {"user": "bWU=", "pass": "d29yZA=="}
    assert read["metadata"] == {"name": "s1", "namespace": "team", "generation": 0}


def test_a_config_map_is_read_with_text_and_bytes() -> None:
    read = decode_body(sent("create cm c2 --from-file=raw=bytes --from-literal=a=b"))
    assert (read["data"], read["binaryData"]) == ({"a": "b"}, {"raw": "//4="})


@pytest.mark.parametrize("command", [command for command in SENT if command.startswith("create")])
def test_what_kubectl_creates_is_stored(command: str, ask: Callable) -> None:
    ask("POST", "/api/v1/namespaces", sent("create ns team"), content_type=MEDIA_TYPE)
    plural = {"ns": "", "secret": "secrets", "sa": "serviceaccounts", "cm": "configmaps"}[command.split()[1]]
    path = f"/api/v1/namespaces/team/{plural}" if plural else "/api/v1/namespaces"
    answer = ask("POST", path, sent(command), content_type=MEDIA_TYPE)
    assert (answer.status_code, answer.headers["content-type"]) == (201 if plural else 409, "application/json")


def test_a_question_about_access_is_answered_with_what_was_asked(ask: Callable) -> None:
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = ask("POST", path, sent("auth can-i create isvc"), content_type=MEDIA_TYPE)
    wanted = {"namespace": "default", "verb": "create", "group": "serving.kserve.io", "resource": "inferenceservices"}
    assert (answer.status_code, answer.json()["status"]["allowed"]) == (201, True)
    assert answer.json()["spec"]["resourceAttributes"] == wanted
    assert ask("POST", path, {"spec": {"nonResourceAttributes": {"path": "/"}}}).json()["status"]["allowed"]


def test_another_kind_than_the_path_names_is_refused(ask: Callable) -> None:
    answer = ask("POST", "/api/v1/namespaces/default/secrets", sent("create sa bot"), content_type=MEDIA_TYPE)
    assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")


@pytest.mark.parametrize("command", SENT)
def test_half_a_body_is_refused_and_its_bytes_are_not_told(command: str, ask: Callable) -> None:
    body = sent(command)
    answer = ask("POST", "/api/v1/namespaces/default/secrets", body[: len(body) // 2], content_type=MEDIA_TYPE)
    assert answer.status_code == 400
    assert "word" not in answer.text


def test_json_in_the_name_of_protobuf_is_refused_in_upstreams_words(ask: Callable) -> None:
    answer = ask("POST", "/api/v1/namespaces/default/secrets", b'{"kind": "Secret"}', content_type=MEDIA_TYPE)
    assert "does not appear to be a protobuf message, expected prefix [107 56 115 0]" in answer.json()["message"]


def test_a_field_of_another_number_is_skipped() -> None:
    strange = bytes([15 << 3 | 0, 5, 14 << 3 | 1, *range(8), 13 << 3 | 5, *range(4)])
    assert decode_message(bytes([1 << 3 | 2, 1, ord("a")]) + strange, "LocalObjectReference") == {"name": "a"}


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(NotProtobuf):
        assert isinstance(decode_body(PREFIX + data), dict)


@given(st.sampled_from(sorted(SENT)), st.data())
def test_a_changed_byte_is_read_or_refused(command: str, data: st.DataObject) -> None:
    body = bytearray(sent(command))
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with suppress(NotProtobuf):
        assert isinstance(decode_body(bytes(body)), dict)
