"""Python clients that apply on the server and store credentials: the dynamic client, CoreV1Api and KServe's."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from modelyard.serving.models.credentials import storage_environment

if TYPE_CHECKING:
    from conftest import LiveApi

pytestmark = pytest.mark.timeout(300)

CREDENTIALS = """\
[default]
aws_access_key_id = yard0123456789abcdef
aws_secret_access_key = 0123456789abcdef0123456789abcdef01234567
"""


@pytest.fixture
def connection(api: LiveApi):
    from kubernetes import client, config

    held = client.Configuration()
    config.load_kube_config(str(api.kubeconfig), client_configuration=held)
    held.proxy = None
    with client.ApiClient(held) as opened:
        yield opened
        # An ApiClient leaves its connections open, its last answer holds one, and the API waits for them at its end.
        opened.last_response = None
        opened.rest_client.pool_manager.clear()


@pytest.fixture
def team(connection):
    """A namespace for one test."""
    from kubernetes import client

    core = client.CoreV1Api(connection)
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name="team")))
    yield core
    assert core.delete_namespace("team").status is not None


def test_the_dynamic_client_applies_takes_over_and_is_told_of_conflicts(connection, api: LiveApi) -> None:
    from kubernetes.dynamic import DynamicClient
    from kubernetes.dynamic.exceptions import ConflictError

    kinds = DynamicClient(connection).resources.get(api_version="serving.kserve.io/v1beta1", kind="InferenceService")

    def apply(replicas: int, manager: str, *, force: bool = False) -> Any:
        model = {"modelFormat": {"name": "sklearn"}, "storageUri": "s3://a/b"}
        body = {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {"name": "flights"},
            "spec": {"predictor": {"minReplicas": replicas, "model": model}},
        }
        return kinds.server_side_apply(
            body=body, name="flights", namespace="default", field_manager=manager, force_conflicts=force
        )

    apply(1, "one")
    with pytest.raises(ConflictError, match="minReplicas"):
        apply(2, "two")
    made = apply(2, "two", force=True)
    assert made.spec.predictor.minReplicas == 2
    assert [entry.manager for entry in made.metadata.managedFields] == ["one", "two"]


def test_typed_secrets_and_config_maps_are_written_patched_and_replaced(connection, team) -> None:
    from kubernetes import client

    secret = client.V1Secret(metadata=client.V1ObjectMeta(name="keys"), string_data={"a": "b"})
    assert team.create_namespaced_secret("team", secret).data == {"a": "Yg=="}
    patched = team.patch_namespaced_secret("keys", "team", {"stringData": {"c": "d"}})
    assert patched.data == {"a": "Yg==", "c": "ZA=="}
    settings = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="settings"), data={"a": "b"})
    made = team.create_namespaced_config_map("team", settings)
    made.data = {"a": "c"}
    assert team.replace_namespaced_config_map("settings", "team", made).data == {"a": "c"}
    team.delete_namespaced_secret("keys", "team")
    assert team.list_namespaced_secret("team").items == []


@pytest.mark.parametrize("account", ["trainer", "default"])
def test_credentials_that_kserves_client_sets_reach_the_download(
    account: str, api: LiveApi, team, tmp_path: Path
) -> None:
    from kserve import KServeClient

    path = tmp_path / "credentials"
    path.write_text(CREDENTIALS, "utf-8")
    kserve = KServeClient(config_file=str(api.kubeconfig))
    kserve.set_credentials(
        storage_type="S3",
        namespace="team",
        credentials_file=str(path),
        service_account=account,
        s3_endpoint="127.0.0.1:7602",
        s3_region="eu-west-1",
        s3_use_https="0",
    )
    held = api.in_store(lambda store: store.get("serviceaccounts", "team", account))
    secrets = api.in_store(lambda store: store.list("secrets", "team")[0])
    assert [item["name"] for item in held["secrets"]] == [secret["metadata"]["name"] for secret in secrets]
    key = base64.b64decode(secrets[0]["data"]["AWS_ACCESS_KEY_ID"]).decode()
    assert key == "yard0123456789abcdef"
    environment = storage_environment(held, secrets)
    assert (environment["AWS_ACCESS_KEY_ID"], environment["AWS_ENDPOINT_URL"]) == (key, "http://127.0.0.1:7602")
