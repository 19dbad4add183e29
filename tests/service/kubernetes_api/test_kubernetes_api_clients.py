"""The kubernetes and KServe Python clients against the live API, as a workshop's scripts use them."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import LiveApi

pytestmark = pytest.mark.timeout(300)

GROUP, VERSION, PLURAL = "serving.kserve.io", "v1beta1", "inferenceservices"
WHERE = (GROUP, VERSION, "default", PLURAL)


def manifest(name: str = "flights", **predictor: Any) -> dict[str, Any]:
    model = {"modelFormat": {"name": "mlflow"}, "storageUri": "s3://mlflow/flights"}
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "InferenceService",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"predictor": {"minReplicas": 1, "model": model, **predictor}},
    }


@pytest.fixture
def custom_objects(api: LiveApi):
    from kubernetes import client, config

    held = client.Configuration()
    config.load_kube_config(str(api.kubeconfig), client_configuration=held)
    held.proxy = None
    with client.ApiClient(held) as connection:
        yield client.CustomObjectsApi(connection)


def test_custom_objects_are_created_read_patched_replaced_and_deleted(custom_objects) -> None:
    made = custom_objects.create_namespaced_custom_object(*WHERE, manifest())
    assert custom_objects.get_namespaced_custom_object(*WHERE, "flights") == made
    assert custom_objects.list_cluster_custom_object(GROUP, VERSION, PLURAL)["items"] == [made]
    percent = {"spec": {"predictor": {"canaryTrafficPercent": 10}}}
    patched = custom_objects.patch_namespaced_custom_object(*WHERE, "flights", percent)
    assert patched["spec"]["predictor"]["canaryTrafficPercent"] == 10
    patched["spec"]["predictor"]["minReplicas"] = 2
    replaced = custom_objects.replace_namespaced_custom_object(*WHERE, "flights", patched)
    assert replaced["metadata"]["generation"] == 3
    told = custom_objects.delete_namespaced_custom_object(*WHERE, "flights")
    assert (told["status"], told["details"]["uid"]) == ("Success", made["metadata"]["uid"])


def test_a_stale_replace_and_a_missing_object_raise_what_scripts_catch(custom_objects) -> None:
    from kubernetes.client import ApiException

    made = custom_objects.create_namespaced_custom_object(*WHERE, manifest())
    custom_objects.patch_namespaced_custom_object(*WHERE, "flights", {"metadata": {"labels": {"a": "b"}}})
    with pytest.raises(ApiException) as stale:
        custom_objects.replace_namespaced_custom_object(*WHERE, "flights", made)
    with pytest.raises(ApiException) as missing:
        custom_objects.get_namespaced_custom_object(*WHERE, "nothing")
    with pytest.raises(ApiException) as listed:
        custom_objects.patch_namespaced_custom_object(*WHERE, "flights", [{"op": "remove", "path": "/spec"}])
    assert [error.value.status for error in (stale, missing, listed)] == [409, 404, 400]


def test_a_status_goes_through_its_subresource(custom_objects) -> None:
    custom_objects.create_namespaced_custom_object(*WHERE, manifest())
    status = {"status": {"url": "http://a"}}
    custom_objects.patch_namespaced_custom_object_status(*WHERE, "flights", status)
    assert custom_objects.get_namespaced_custom_object_status(*WHERE, "flights")["status"] == {"url": "http://a"}


def test_a_watch_in_python_sees_each_change_and_ends_in_time(api: LiveApi, custom_objects) -> None:
    from kubernetes import watch

    custom_objects.create_namespaced_custom_object(*WHERE, manifest())
    since = custom_objects.list_namespaced_custom_object(*WHERE)["metadata"]["resourceVersion"]
    api.write_status("flights", "True")
    custom_objects.delete_namespaced_custom_object(*WHERE, "flights")
    began = time.monotonic()
    stream = watch.Watch().stream(
        custom_objects.list_namespaced_custom_object, *WHERE, resource_version=since, timeout_seconds=1
    )
    assert [event["type"] for event in stream] == ["MODIFIED", "DELETED"]
    assert time.monotonic() - began < 30, "and not when the client gives up"


def test_a_watch_from_a_version_long_gone_raises_410(custom_objects) -> None:
    from kubernetes import watch
    from kubernetes.client import ApiException

    with pytest.raises(ApiException) as caught:
        list(watch.Watch().stream(custom_objects.list_namespaced_custom_object, *WHERE, resource_version="1"))
    assert caught.value.status == 410


def test_the_dynamic_client_finds_the_kind_by_discovery(api: LiveApi, custom_objects) -> None:
    from kubernetes.dynamic import DynamicClient

    kinds = DynamicClient(custom_objects.api_client).resources.get(
        api_version=f"{GROUP}/{VERSION}", kind="InferenceService"
    )
    made = kinds.create(body=manifest(), namespace="default")
    assert kinds.get(name="flights", namespace="default").metadata.uid == made.metadata.uid
    assert [item.metadata.name for item in kinds.get(namespace="default").items] == ["flights"]


def test_typed_clients_read_the_core_kinds(api: LiveApi, custom_objects) -> None:
    from kubernetes import client

    core = client.CoreV1Api(custom_objects.api_client)
    assert client.VersionApi(custom_objects.api_client).get_code().minor == "34"
    assert {"default", "kube-system"} <= {found.metadata.name for found in core.list_namespace().items}
    assert core.read_namespace("default").status.phase == "Active"
    about = {"kind": "InferenceService", "name": "flights", "namespace": "default"}
    event = {"metadata": {"name": "e1", "namespace": "default"}, "involvedObject": about, "reason": "Ready"}
    api.in_store(lambda store: store.create("events", event))
    listed = core.list_namespaced_event("default", field_selector="involvedObject.name=flights").items
    assert [found.reason for found in listed] == ["Ready"]
    assert core.list_namespaced_event("default", field_selector="involvedObject.name=other").items == []
    api.in_store(lambda store: store.delete("events", "default", "e1"))
    assert client.ApisApi(custom_objects.api_client).get_api_versions().groups[0].name == GROUP


def test_kserve_client_deploys_waits_rolls_out_and_deletes(api: LiveApi, capsys: pytest.CaptureFixture[str]) -> None:
    from kserve import (
        KServeClient,
        V1beta1InferenceService,
        V1beta1InferenceServiceSpec,
        V1beta1ModelFormat,
        V1beta1ModelSpec,
        V1beta1PredictorSpec,
    )
    from kubernetes.client import V1ObjectMeta

    def service(percent: int | None = None) -> V1beta1InferenceService:
        model = V1beta1ModelSpec(model_format=V1beta1ModelFormat(name="mlflow"), storage_uri="s3://mlflow/flights")
        predictor = V1beta1PredictorSpec(min_replicas=1, model=model, canary_traffic_percent=percent)
        return V1beta1InferenceService(
            api_version=f"{GROUP}/{VERSION}",
            kind="InferenceService",
            metadata=V1ObjectMeta(name="flights", namespace="default"),
            spec=V1beta1InferenceServiceSpec(predictor=predictor),
        )

    kserve = KServeClient(config_file=str(api.kubeconfig))
    assert kserve.create(service())["metadata"]["generation"] == 1
    assert not kserve.is_isvc_ready("flights", namespace="default")
    later = threading.Timer(0.3, api.write_status, ("flights", "True"))
    later.start()
    kserve.wait_isvc_ready("flights", namespace="default", timeout_seconds=20, polling_interval=1)
    later.join()
    kserve.wait_isvc_ready("flights", namespace="default", timeout_seconds=20, watch=True)
    assert "flights.default.localhost" in capsys.readouterr().out
    assert kserve.get("flights", namespace="default")["status"]["observedGeneration"] == 1
    assert [item["metadata"]["name"] for item in kserve.get(namespace="default")["items"]] == ["flights"]
    patched = kserve.patch("flights", service(20), namespace="default")
    assert patched["spec"]["predictor"]["canaryTrafficPercent"] == 20
    replaced = kserve.replace("flights", service(), namespace="default")
    assert "canaryTrafficPercent" not in replaced["spec"]["predictor"]
    assert replaced["metadata"]["generation"] == 3
    assert kserve.delete("flights", namespace="default")["status"] == "Success"
    with pytest.raises(RuntimeError, match="not found"):
        kserve.get("flights", namespace="default")
