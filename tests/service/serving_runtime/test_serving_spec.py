"""What a specification asks for, through the API: credentials of its service account, and parts that need a cluster."""

import base64

from kubernetes import client, config

from modelyard.waiting import wait_until


def core_of(runtime):
    return client.CoreV1Api(config.new_client_from_config(str(runtime.conn.kubeconfig)))


def make_account(runtime, name, secret_key):
    """A service account with a Secret as KServe's documentation writes it."""
    endpoint = runtime.conn.address("objectstore").removeprefix("http://")
    annotations = {"s3-endpoint": endpoint, "s3-usehttps": "0", "s3-region": "us-east-1"}
    entries = {"AWS_ACCESS_KEY_ID": runtime.conn.credentials.s3_key_id, "AWS_SECRET_ACCESS_KEY": secret_key}
    meta = {"name": name, "annotations": {f"serving.kserve.io/{key}": value for key, value in annotations.items()}}
    data = {key: base64.b64encode(value.encode()).decode() for key, value in entries.items()}
    core_of(runtime).create_namespaced_secret("default", {"metadata": meta, "data": data})
    account = {"metadata": {"name": name}, "secrets": [{"name": name}]}
    core_of(runtime).create_namespaced_service_account("default", account)


def failure_of(runtime, name):
    told = runtime.status(name).get("modelStatus", {}).get("lastFailureInfo", {})
    return told if told.get("reason") else None


def test_a_model_is_fetched_with_the_credentials_of_its_service_account_and_no_others(runtime, deployed):
    make_account(runtime, "good", runtime.conn.credentials.s3_secret)
    make_account(runtime, "bad", "not-the-secret")
    deployed("fetched", "plain", serviceAccountName="good")
    model = runtime.models["plain"]
    asked = {"instances": model.rows.to_numpy().tolist()}
    assert runtime.ask("fetched", asked).json() == {"predictions": model.truth.tolist()}

    # The yard's own credentials would fetch it: they must not step in.
    runtime.apply("refused", "plain", serviceAccountName="bad")
    told = wait_until(lambda: failure_of(runtime, "refused"), what="the download to fail", deadline_s=30)
    runtime.delete("refused")
    assert (told["reason"], "not-the-secret" in told["message"]) == ("ModelDownloadFailed", False)


def test_parts_that_need_a_cluster_are_told_in_a_condition_and_nothing_starts(runtime):
    model = {"modelFormat": {"name": "sklearn"}, "storageUri": runtime.models["plain"].uri}
    for name, spec in (
        ("with-batcher", {"predictor": {"model": model, "batcher": {"maxBatchSize": 4}}}),
        (
            "with-transformer",
            {"predictor": {"model": model}, "transformer": {"containers": [{"image": "x", "name": "k"}]}},
        ),
    ):
        meta = {"name": name, "namespace": "default"}
        kind = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService"}
        runtime.services.apply({**kind, "metadata": meta, "spec": spec})
        told = wait_until(lambda name=name: failure_of(runtime, name), what="the refusal", deadline_s=60)
        assert not [record for record in runtime.replicas() if record.spec.inferenceservice == name]
        runtime.delete(name)
        assert told["reason"] == "NeedsCluster"
        assert name.removeprefix("with-") in told["message"]
        assert "./invoke up --on kind" in told["message"]
