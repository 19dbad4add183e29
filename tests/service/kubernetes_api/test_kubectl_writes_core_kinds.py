"""kubectl and Secrets, config maps, service accounts and namespaces: made, applied, shown and deleted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Kubectl, LiveApi

pytestmark = pytest.mark.timeout(300)

SECRET = """\
apiVersion: v1
kind: Secret
metadata:
  name: keys
stringData: {user: me, pass: word}
"""
ACCOUNT = """\
apiVersion: v1
kind: ServiceAccount
metadata:
  name: bot
secrets:
- name: %s
"""


@pytest.fixture
def team(api: LiveApi, kubectl: Kubectl):
    """A namespace for one test."""
    assert "namespace/team created" in kubectl("create", "ns", "team")
    yield "team"
    assert 'namespace "team" deleted' in kubectl("delete", "ns", "team")
    assert "No resources found" in kubectl("get", "secrets,cm,sa", "-n", "team")


def test_what_create_makes_is_listed_with_its_columns(team: str, kubectl: Kubectl) -> None:
    kubectl("create", "secret", "generic", "keys", "--from-literal=user=me", "--from-literal=pass=word", "-n", team)
    kubectl("create", "cm", "settings", "--from-literal=a=b", "-n", team)
    kubectl("create", "sa", "bot", "-n", team)
    header, row = kubectl("get", "secrets", "-n", team).splitlines()
    assert header.split() == ["NAME", "TYPE", "DATA", "AGE"]
    assert row.split()[:3] == ["keys", "Opaque", "2"]
    assert kubectl("get", "cm", "settings", "-n", team, "--no-headers").split()[:2] == ["settings", "1"]
    assert kubectl("get", "sa", "-n", team, "-o", "name").split() == ["serviceaccount/bot", "serviceaccount/default"]
    assert kubectl("get", "secret", "keys", "-n", team, "-o", "jsonpath={.data.pass}") == "d29yZA=="
    told = kubectl("describe", "secret", "keys", "-n", team)
    assert "4 bytes" in told
    assert "word" not in told


def test_a_secret_and_a_service_account_are_applied_again_and_again(team: str, kubectl: Kubectl) -> None:
    assert "secret/keys created" in kubectl("apply", "-n", team, "-f", "-", given=SECRET)
    changed = SECRET.replace("word", "other")
    assert "secret/keys configured" in kubectl("apply", "-n", team, "-f", "-", given=changed)
    assert kubectl("get", "secret", "keys", "-n", team, "-o", "jsonpath={.data.pass}") == "b3RoZXI="
    kubectl("apply", "-n", team, "-f", "-", given=ACCOUNT % "one")
    assert "configured" in kubectl("apply", "-n", team, "-f", "-", given=ACCOUNT % "two")
    assert "unchanged" in kubectl("apply", "-n", team, "-f", "-", given=ACCOUNT % "two")
    held = json.loads(kubectl("get", "sa", "bot", "-n", team, "-o", "json"))
    assert held["secrets"] == [{"name": "two"}]


def test_a_patch_edit_and_label_of_a_config_map_are_stored(team: str, kubectl: Kubectl) -> None:
    kubectl("create", "cm", "settings", "--from-literal=a=b", "--from-literal=c=d", "-n", team)
    kubectl("patch", "cm", "settings", "-n", team, "-p", '{"data": {"a": null, "e": "f"}}')
    kubectl("label", "cm", "settings", "-n", team, "tier=gold")
    kubectl("edit", "cm", "settings", "-n", team, KUBE_EDITOR="sed -i s/c:.d/c:\\ g/")
    held = json.loads(kubectl("get", "cm", "settings", "-n", team, "-o", "json"))
    assert (held["data"], held["metadata"]["labels"]) == ({"c": "g", "e": "f"}, {"tier": "gold"})


def test_a_mistake_in_a_secret_is_told_before_anything_is_stored(team: str, kubectl: Kubectl) -> None:
    typo = SECRET.replace("stringData", "stringdata")
    assert 'unknown field "stringdata"' in kubectl("apply", "-n", team, "-f", "-", given=typo, fails=True)
    plain = SECRET.replace("stringData", "data")
    assert "illegal base64 data" in kubectl("apply", "-n", team, "-f", "-", given=plain, fails=True)
    assert "No resources found" in kubectl("get", "secrets", "-n", team)


def test_nothing_is_stored_by_a_dry_run_of_what_is_sent_as_protobuf(team: str, kubectl: Kubectl) -> None:
    told = kubectl("create", "secret", "generic", "keys", "--from-literal=a=b", "-n", team, "--dry-run=server")
    assert "created (server dry run)" in told
    assert "No resources found" in kubectl("get", "secrets", "-n", team)
    assert "namespace/other created (server dry run)" in kubectl("create", "ns", "other", "--dry-run=server")
    assert "not found" in kubectl("get", "ns", "other", fails=True)


def test_the_namespaces_of_every_cluster_stay(api: LiveApi, kubectl: Kubectl) -> None:
    assert "this namespace may not be deleted" in kubectl("delete", "ns", "kube-system", fails=True)


def test_a_deleted_object_with_a_finalizer_is_waited_for(team: str, kubectl: Kubectl) -> None:
    kubectl("create", "cm", "kept", "--from-literal=a=b", "-n", team)
    kubectl("patch", "cm", "kept", "-n", team, "-p", '{"metadata": {"finalizers": ["example.com/kept"]}}')
    with kubectl.started("delete", "cm", "kept", "-n", team) as deleting:
        assert 'configmap "kept" deleted' in deleting.stdout.readline()
        assert deleting.poll() is None
        kubectl("patch", "cm", "kept", "-n", team, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
        assert deleting.wait(20) == 0
