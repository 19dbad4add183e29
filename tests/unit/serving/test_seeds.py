"""What the control plane puts into its Store when it starts."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from modelyard.connections import Connections
from modelyard.serving.seeds import CREDENTIALS, SERVICE_ACCOUNT, seed
from modelyard.serving.store import Store
from modelyard.yard.credentials import Credentials
from modelyard.yard.layout import Layout


@dataclass
class Seeded:
    store: Store
    conn: Connections

    def secret(self, namespace: str = "default") -> dict:
        return self.store.get("secrets", namespace, CREDENTIALS)

    def account(self, name: str) -> list[str]:
        return [held["name"] for held in self.store.get("serviceaccounts", "default", name)["secrets"]]


@pytest.fixture
def seeded(tmp_path: Path):
    store = Store(tmp_path / "store.sqlite")
    conn = Connections(
        layout=Layout(tmp_path, "0"),
        name="test",
        substrate="local",
        domain="localhost",
        kubeconfig=tmp_path / "kubeconfig",
        first_port=7600,
        credentials=Credentials("key", "secret", "token", "token", "path", "password"),
    )
    seed(store, conn, ["default", "team"])
    yield Seeded(store, conn)
    store.close()


def text(secret: dict, key: str) -> str:
    return base64.b64decode(secret["data"][key]).decode()


def test_kserve_finds_the_yards_object_store_in_the_secret(seeded: Seeded) -> None:
    secret, annotations = seeded.secret("team"), seeded.secret("team")["metadata"]["annotations"]
    assert (text(secret, "AWS_ACCESS_KEY_ID"), text(secret, "AWS_SECRET_ACCESS_KEY")) == ("key", "secret")
    assert f"http://{annotations['serving.kserve.io/s3-endpoint']}" == seeded.conn.address("objectstore")
    assert annotations["serving.kserve.io/s3-usehttps"] == "0"


def test_predictors_with_and_without_a_service_account_may_read_it(seeded: Seeded) -> None:
    assert seeded.account("default") == seeded.account(SERVICE_ACCOUNT) == [CREDENTIALS]


def test_a_second_start_writes_nothing(seeded: Seeded) -> None:
    before = seeded.store.version
    seed(seeded.store, seeded.conn, ["default", "team"])
    assert seeded.store.version == before


def test_new_credentials_and_another_port_reach_the_secret_and_leave_what_a_person_added(seeded: Seeded) -> None:
    seeded.store.replace(
        "serviceaccounts",
        {"metadata": {"name": "default", "namespace": "default"}, "secrets": [{"name": "mine"}]},
    )
    credentials = replace(seeded.conn.credentials, s3_secret="other")
    seed(seeded.store, replace(seeded.conn, first_port=7700, credentials=credentials), ["default"])
    assert text(seeded.secret(), "AWS_SECRET_ACCESS_KEY") == "other"
    assert seeded.secret()["metadata"]["annotations"]["serving.kserve.io/s3-endpoint"].startswith("127.0.0.1:77")
    assert seeded.account("default") == ["mine", CREDENTIALS]


def test_settings_of_the_autoscaler_can_be_patched_from_the_start_and_stay(seeded: Seeded) -> None:
    held = seeded.store.get("configmaps", "knative-serving", "config-autoscaler")
    seeded.store.replace("configmaps", {**held, "data": {"stable-window": "6s"}})
    seed(seeded.store, seeded.conn, [])
    assert seeded.store.get("configmaps", "knative-serving", "config-autoscaler")["data"] == {"stable-window": "6s"}
