"""kubectl against the live API: every command that a workshop uses."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Kubectl, LiveApi

pytestmark = pytest.mark.timeout(300)

MANIFEST = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: flights
  labels: {team: yard}
spec:
  predictor:
    minReplicas: 1
    model:
      modelFormat: {name: mlflow}
      storageUri: s3://mlflow/flights
"""
NAMED = "inferenceservice.serving.kserve.io/flights"


@pytest.fixture
def flights(api: LiveApi, kubectl: Kubectl) -> dict:
    """An InferenceService that was applied."""
    assert f"{NAMED} created" in kubectl("apply", "-f", "-", given=MANIFEST)
    return read(kubectl)


def read(kubectl: Kubectl) -> dict:
    return json.loads(kubectl("get", "isvc", "flights", "-o", "json"))


def test_apply_creates_then_leaves_alone_then_changes(flights: dict, kubectl: Kubectl) -> None:
    assert f"{NAMED} unchanged" in kubectl("apply", "-f", "-", given=MANIFEST)
    assert read(kubectl) == flights
    changed = MANIFEST.replace("minReplicas: 1", "minReplicas: 2")
    assert f"{NAMED} configured" in kubectl("apply", "-f", "-", given=changed)
    assert read(kubectl)["metadata"]["generation"] == flights["metadata"]["generation"] + 1


def test_apply_removes_what_the_manifest_no_longer_says(flights: dict, kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", given=MANIFEST.replace("    minReplicas: 1\n", ""))
    assert "minReplicas" not in read(kubectl)["spec"]["predictor"]


def test_create_refuses_a_second_one(api: LiveApi, kubectl: Kubectl) -> None:
    assert f"{NAMED} created" in kubectl("create", "-f", "-", given=MANIFEST)
    told = kubectl("create", "-f", "-", given=MANIFEST, fails=True)
    assert 'inferenceservices.serving.kserve.io "flights" already exists' in told


def test_tables_show_what_the_status_says(api: LiveApi, flights: dict, kubectl: Kubectl) -> None:
    api.write_status("flights", "True")
    header, row = kubectl("get", "isvc", "-o", "wide").splitlines()
    assert header.split() == ["NAME", "URL", "READY", "PREV", "LATEST", *header.split()[5:]]
    assert row.split()[:4] == ["flights", "http://flights.default.localhost:7600", "True", "100"]
    assert kubectl("get", "isvc", "-A", "--no-headers").split()[0] == "default"
    assert "team=yard" in kubectl("get", "isvc", "--show-labels", "--sort-by", ".metadata.name")
    assert kubectl("get", "isvc", "-l", "team in (yard)", "-o", "name").strip() == NAMED
    assert "No resources found" in kubectl("get", "isvc", "-l", "team!=yard")
    assert kubectl("get", "isvc", "flights", "-o", "jsonpath={.status.url}").startswith("http://flights")


def test_merge_and_json_patches_change_the_spec(flights: dict, kubectl: Kubectl) -> None:
    merge = '{"spec": {"predictor": {"canaryTrafficPercent": 10}}}'
    assert f"{NAMED} patched" in kubectl("patch", "isvc", "flights", "--type", "merge", "-p", merge)
    assert "patched (no change)" in kubectl("patch", "isvc", "flights", "--type", "merge", "-p", merge)
    replace = '[{"op": "replace", "path": "/spec/predictor/canaryTrafficPercent", "value": 50}]'
    kubectl("patch", "isvc", "flights", "--type", "json", "-p", replace)
    held = read(kubectl)
    assert held["spec"]["predictor"]["canaryTrafficPercent"] == 50
    assert held["metadata"]["generation"] == 3
    kubectl(
        "patch", "isvc", "flights", "--type", "merge", "-p", '{"spec": {"predictor": {"canaryTrafficPercent": null}}}'
    )
    assert read(kubectl)["spec"] == flights["spec"]
    assert "is not supported by" in kubectl("patch", "isvc", "flights", "-p", "{}", fails=True)


def test_replace_edit_label_and_annotate_write_what_they_say(flights: dict, kubectl: Kubectl) -> None:
    assert f"{NAMED} replaced" in kubectl("replace", "-f", "-", given=MANIFEST)
    editor = "sed -i s/minReplicas:.1/minReplicas:\\ 3/"
    assert f"{NAMED} edited" in kubectl("edit", "isvc", "flights", KUBE_EDITOR=editor)
    kubectl("label", "isvc", "flights", "tier=gold")
    kubectl("annotate", "isvc", "flights", "example.com/why=test")
    held = read(kubectl)
    assert held["spec"]["predictor"]["minReplicas"] == 3
    assert held["metadata"]["labels"] == {"team": "yard", "tier": "gold"}
    assert held["metadata"]["annotations"]["example.com/why"] == "test"
    kubectl("label", "isvc", "flights", "tier-")
    assert read(kubectl)["metadata"]["labels"] == {"team": "yard"}


def test_nothing_is_stored_by_a_dry_run_or_a_diff(flights: dict, kubectl: Kubectl) -> None:
    changed = MANIFEST.replace("minReplicas: 1", "minReplicas: 2")
    assert "server dry run" in kubectl("apply", "--dry-run=server", "-f", "-", given=changed)
    told = kubectl("diff", "-f", "-", given=changed, fails=True)
    assert "+    minReplicas: 2" in told
    assert "+  generation: 2" in told
    assert "server dry run" in kubectl("delete", "isvc", "flights", "--dry-run=server")
    assert read(kubectl) == flights


def test_wait_returns_when_the_condition_holds(api: LiveApi, flights: dict, kubectl: Kubectl) -> None:
    api.write_status("flights", "Unknown")
    told = kubectl("wait", "isvc/flights", "--for=condition=Ready", "--timeout=1s", fails=True)
    assert "timed out waiting" in told
    with kubectl.started("wait", "isvc/flights", "--for=condition=Ready", "--timeout=30s") as waiting:
        api.await_watch()
        api.write_status("flights", "True")
        assert f"{NAMED} condition met" in waiting.communicate(timeout=30)[0]
    assert "condition met" in kubectl("wait", "isvc/flights", "--for=condition=Ready", "--timeout=30s")


def test_a_watch_prints_a_line_for_each_change(api: LiveApi, flights: dict, kubectl: Kubectl) -> None:
    columns = "custom-columns=R:.status.conditions[-1].status"
    with kubectl.started("get", "isvc", "-w", "-o", columns, "--no-headers") as watching:
        lines = watched_lines(watching, 1)
        api.write_status("flights", "False")
        lines += watched_lines(watching, 1)
        api.write_status("flights", "True")
        lines += watched_lines(watching, 1)
    assert lines == ["<none>", "False", "True"]


def test_a_watch_of_one_object_sees_its_first_change(api: LiveApi, flights: dict, kubectl: Kubectl) -> None:
    with kubectl.started("get", "isvc", "flights", "-w") as watching:
        watched_lines(watching, 2)
        api.await_watch()
        api.write_status("flights", "True")
        assert "True" in watched_lines(watching, 1)[0]


def test_delete_waits_until_it_is_gone(flights: dict, kubectl: Kubectl) -> None:
    assert "deleted" in kubectl("delete", "isvc", "flights", "--wait")
    assert "not found" in kubectl("get", "isvc", "flights", fails=True)
    kubectl("apply", "-f", "-", given=MANIFEST)
    assert "deleted" in kubectl("delete", "isvc", "--all")
    kubectl("apply", "-f", "-", given=MANIFEST)
    assert "deleted" in kubectl("delete", "-f", "-", given=MANIFEST)


def test_a_mistake_is_told_before_anything_is_stored(api: LiveApi, kubectl: Kubectl) -> None:
    typo = MANIFEST.replace("minReplicas", "minReplica")
    assert 'unknown field "spec.predictor.minReplica"' in kubectl("apply", "-f", "-", given=typo, fails=True)
    assert "Warning: unknown field" in kubectl("create", "--validate=warn", "-f", "-", given=typo)
    kubectl("delete", "isvc", "flights")
    text = MANIFEST.replace("minReplicas: 1", "minReplicas: many")
    assert "ComponentExtensionSpec.minReplicas of type int32" in kubectl("apply", "-f", "-", given=text, fails=True)
    nowhere = MANIFEST.replace("name: flights", "name: flights\n  namespace: nowhere")
    assert 'namespaces "nowhere" not found' in kubectl("apply", "-f", "-", given=nowhere, fails=True)
    assert "No resources found" in kubectl("get", "isvc")


def test_describe_shows_events_of_the_object(api: LiveApi, flights: dict, kubectl: Kubectl) -> None:
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "flights.1", "namespace": "default"},
        "involvedObject": {
            "kind": "InferenceService",
            "apiVersion": "serving.kserve.io/v1beta1",
            "namespace": "default",
            "name": "flights",
            "uid": flights["metadata"]["uid"],
        },
        "type": "Warning",
        "reason": "DigestDiffers",
        "message": "the model is not the registered one",
        "firstTimestamp": "2026-11-24T00:00:00Z",
        "lastTimestamp": "2026-11-24T00:00:00Z",
        "count": 1,
        "source": {"component": "modelyard"},
    }
    api.in_store(lambda store: store.create("events", event))
    assert "DigestDiffers" in kubectl("describe", "isvc", "flights")
    assert "the model is not the registered one" in kubectl("events", "--for", "isvc/flights")
    assert "inferenceservice/flights" in kubectl("get", "events")
    api.in_store(lambda store: store.delete("events", "default", "flights.1"))
    assert "DigestDiffers" not in kubectl("describe", "isvc", "flights")


def test_the_api_describes_itself(api: LiveApi, kubectl: Kubectl) -> None:
    assert "inferenceservices" in kubectl("api-resources")
    assert "serving.kserve.io/v1beta1" in kubectl("api-versions")
    assert "Server Version: v1.34.1" in kubectl("version")
    assert "is running at" in kubectl("cluster-info")
    assert "-required-" in kubectl("explain", "isvc.spec.predictor.model.modelFormat")
    assert kubectl("auth", "can-i", "create", "isvc").strip() == "yes"
    assert "default" in kubectl("get", "namespaces")
    assert 'namespaces "nowhere" not found' in kubectl("get", "ns", "nowhere", fails=True)


def test_a_namespace_that_was_applied_takes_inference_services(api: LiveApi, kubectl: Kubectl) -> None:
    namespace = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: team\n"
    kubectl("apply", "-f", "-", given=namespace)
    kubectl("apply", "-n", "team", "-f", "-", given=MANIFEST)
    assert kubectl("get", "isvc", "-n", "team", "-o", "name").strip() == NAMED


def test_a_wrong_token_is_refused(api: LiveApi, kubectl: Kubectl) -> None:
    told = kubectl("get", "isvc", "--token=wrong", fails=True)
    assert "must be logged in" in told or "Unauthorized" in told


def watched_lines(watching: subprocess.Popen[str], count: int) -> list[str]:
    assert watching.stdout is not None
    return [watching.stdout.readline().strip() for _ in range(count)]
