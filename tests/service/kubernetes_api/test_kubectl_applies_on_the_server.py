"""kubectl apply --server-side: owners, conflicts, and the way from and to client-side apply."""

from __future__ import annotations

import json
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
APPLIED = "inferenceservice.serving.kserve.io/flights serverside-applied"
THREE = MANIFEST.replace("minReplicas: 1", "minReplicas: 3")


def apply(kubectl: Kubectl, manifest: str, *options: str, fails: bool = False) -> str:
    return kubectl("apply", "--server-side", *options, "-f", "-", given=manifest, fails=fails)


def read(kubectl: Kubectl) -> dict:
    return json.loads(kubectl("get", "isvc", "flights", "-o", "json", "--show-managed-fields"))


def managers(obj: dict) -> list[tuple[str, str]]:
    return sorted((entry["manager"], entry["operation"]) for entry in obj["metadata"]["managedFields"])


def test_it_creates_and_applied_again_changes_nothing(api: LiveApi, kubectl: Kubectl) -> None:
    assert APPLIED in apply(kubectl, MANIFEST)
    before = read(kubectl)
    assert APPLIED in apply(kubectl, MANIFEST)
    assert read(kubectl) == before
    assert managers(before) == [("kubectl", "Apply")]


def test_what_the_manifest_no_longer_says_goes(api: LiveApi, kubectl: Kubectl) -> None:
    apply(kubectl, MANIFEST)
    apply(kubectl, MANIFEST.replace("    minReplicas: 1\n", ""))
    assert "minReplicas" not in read(kubectl)["spec"]["predictor"]


def test_two_teams_conflict_until_one_forces(api: LiveApi, kubectl: Kubectl) -> None:
    apply(kubectl, MANIFEST)
    kubectl("label", "isvc", "flights", "team=other", "--overwrite")
    told = apply(kubectl, THREE, "--field-manager=ci", fails=True)
    assert "Apply failed with 2 conflicts" in told
    assert '- .spec.predictor.minReplicas\nconflicts with "kubectl-label" using serving.kserve.io/v1beta1' in told
    assert "conflict" in kubectl("diff", "--server-side", "-f", "-", given=MANIFEST, fails=True)
    assert APPLIED in apply(kubectl, THREE, "--field-manager=ci", "--force-conflicts")
    held = read(kubectl)
    assert held["spec"]["predictor"]["minReplicas"] == 3
    assert held["metadata"]["labels"] == {"team": "yard"}
    assert managers(held) == [("ci", "Apply"), ("kubectl", "Apply")]


def test_a_diff_and_a_dry_run_show_it_and_store_nothing(api: LiveApi, kubectl: Kubectl) -> None:
    apply(kubectl, MANIFEST)
    before = read(kubectl)
    assert "+    minReplicas: 3" in kubectl("diff", "--server-side", "-f", "-", given=THREE, fails=True)
    assert "(server dry run)" in apply(kubectl, THREE, "--dry-run=server")
    assert read(kubectl) == before


def test_it_goes_over_from_client_side_apply_and_back(api: LiveApi, kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", given=MANIFEST)
    assert APPLIED in apply(kubectl, THREE)
    held = read(kubectl)
    assert "kubectl-client-side-apply" not in json.dumps(held["metadata"]["managedFields"])
    annotation = held["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
    assert json.loads(annotation)["spec"]["predictor"]["minReplicas"] == 3
    apply(kubectl, MANIFEST.replace("    minReplicas: 1\n", ""))
    assert "minReplicas" not in read(kubectl)["spec"]["predictor"]
    assert "configured" in kubectl("apply", "-f", "-", given=MANIFEST)
    assert "unchanged" in kubectl("apply", "-f", "-", given=MANIFEST)


def test_the_controllers_status_stays_its_own(api: LiveApi, kubectl: Kubectl) -> None:
    apply(kubectl, MANIFEST)
    api.write_status("flights", "True")
    apply(kubectl, THREE)
    held = read(kubectl)
    owner = next(entry for entry in held["metadata"]["managedFields"] if entry["manager"] == "manager")
    assert (owner["operation"], owner["subresource"]) == ("Update", "status")
    assert held["status"]["conditions"][-1] == {**held["status"]["conditions"][-1], "type": "Ready", "status": "True"}
    assert managers(held) == [("kubectl", "Apply"), ("manager", "Update")]


def test_a_mistake_is_told_with_its_path(api: LiveApi, kubectl: Kubectl) -> None:
    typo = MANIFEST.replace("minReplicas", "minReplica")
    assert ".spec.predictor.minReplica: field not declared in schema" in apply(kubectl, typo, fails=True)


def test_two_managers_share_the_secrets_of_a_service_account(api: LiveApi, kubectl: Kubectl) -> None:
    def account(*names: str) -> str:
        named = [{"name": name} for name in names]
        return json.dumps(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "shared"}, "secrets": named}
        )

    apply(kubectl, account("a", "b"))
    apply(kubectl, account("c"), "--field-manager=other")
    apply(kubectl, account("b"))
    held = json.loads(kubectl("get", "sa", "shared", "-o", "json"))
    assert [item["name"] for item in held["secrets"]] == ["b", "c"]
    kubectl("delete", "sa", "shared")
