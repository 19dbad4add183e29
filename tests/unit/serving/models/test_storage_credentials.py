"""Credentials for a download, from Secrets as KServe's own tests write them."""

import base64
import json

import pytest

from modelyard.serving.controller.revisions import decide_revision, revision_from
from modelyard.serving.models.credentials import (
    Storage,
    decide_storage,
    secret_environment,
    storage_config,
    storage_environment,
)


def secret(name="s3-secret", annotations=None, **entries):
    held = {key.replace("__", "-"): base64.b64encode(value.encode()).decode() for key, value in entries.items()}
    annotations = {f"serving.kserve.io/{key}": value for key, value in (annotations or {}).items()}
    return {"metadata": {"name": name, "annotations": annotations}, "data": held}


KEYS = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key"}


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({"s3-endpoint": "minio:9000", "s3-usehttps": "0"}, {"AWS_ENDPOINT_URL": "http://minio:9000"}),
        ({"s3-endpoint": "s3.aws.com"}, {"AWS_ENDPOINT_URL": "https://s3.aws.com"}),
        ({"s3-endpoint": " http://minio ", "s3-usehttps": "1"}, {"AWS_ENDPOINT_URL": "http://minio"}),
        ({"s3-endpoint": "HTTPS://minio", "s3-usehttps": "0"}, {"AWS_ENDPOINT_URL": "HTTPS://minio"}),
        ({"s3-region": "us-east-2", "s3-verifyssl": "0"}, {"AWS_DEFAULT_REGION": "us-east-2", "S3_VERIFY_SSL": "0"}),
        ({"s3-useanoncredential": "true"}, {"awsAnonymousCredential": "true"}),
        ({"s3-cabundle": "value"}, {"AWS_CA_BUNDLE": "value"}),
        ({}, {}),
    ],
)
def test_annotations_of_a_secret_become_the_variables_that_kserve_makes_of_them(annotations, expected):
    assert secret_environment(secret(annotations=annotations, **KEYS)) == {**KEYS, **expected}


def test_entries_stand_in_for_annotations_and_annotations_come_first():
    entries = {**KEYS, "S3_ENDPOINT": "minio:9000", "S3_USE_HTTPS": "0", "AWS_DEFAULT_REGION": "eu"}
    made = secret_environment(secret(annotations={"s3-region": "us"}, **entries))
    assert (made["AWS_ENDPOINT_URL"], made["AWS_DEFAULT_REGION"]) == ("http://minio:9000", "us")


def test_the_names_that_kserves_code_has_for_keys_are_read_too():
    made = secret_environment(secret(awsAccessKeyID="id", awsSecretAccessKey="key"))
    assert made == KEYS


def test_a_secret_of_another_kind_says_nothing_and_a_damaged_entry_is_left_out():
    assert secret_environment(secret(token="t")) == {}
    damaged = secret(**KEYS)
    damaged["data"]["AWS_DEFAULT_REGION"] = "not base64"
    assert secret_environment(damaged) == KEYS


def test_headers_for_a_host_of_https():
    headers = '{"account-name": "a"}'
    made = secret_environment(secret(https__host="models.example", headers=headers))
    assert made == {"models.example-headers": headers}


def test_only_secrets_that_the_account_names_count_and_the_last_one_wins():
    account = {"secrets": [{"name": "a"}, {"name": "missing"}, {"name": "b"}]}
    secrets = [
        secret("b", AWS_ACCESS_KEY_ID="b", AWS_SECRET_ACCESS_KEY="b"),
        secret("a", {"s3-region": "eu"}, AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="a"),
        secret("c", AWS_ACCESS_KEY_ID="c", AWS_SECRET_ACCESS_KEY="c"),
    ]
    made = storage_environment(account, secrets)
    assert made == {"AWS_ACCESS_KEY_ID": "b", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "eu"}
    assert storage_environment(None, secrets) == {}


def revision(account=None, **model):
    meta = {"name": "iris", "namespace": "default", "uid": "u"}
    predictor = {"model": {"modelFormat": {"name": "sklearn"}, **model}}
    if account:
        predictor["serviceAccountName"] = account
    isvc = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": meta}
    return revision_from(decide_revision({**isvc, "spec": {"predictor": predictor}}, []))


@pytest.mark.parametrize(("account", "found"), [(None, "default"), ("mine", "mine")])
def test_the_service_account_of_the_predictor_is_asked_else_that_of_the_namespace(account, found):
    held = {("serviceaccounts", found): {"secrets": [{"name": "s3-secret"}]}, ("secrets", "s3-secret"): secret(**KEYS)}
    made = decide_storage(revision(account, storageUri="s3://a/b"), lambda *place: held.get(place))
    assert made == Storage("s3://a/b", KEYS)
    assert "key" not in repr(made).replace("AWS", "")


CONFIG = {
    "type": "s3",
    "bucket": "models",
    "access_key_id": "id",
    "secret_access_key": "key",
    "endpoint_url": "http://m",
}


@pytest.mark.parametrize(
    ("storage", "uri"),
    [
        ({"key": "mine", "path": "a/b"}, "s3://models/a/b"),
        ({"path": "/a/b"}, "s3://models/a/b"),
        ({"path": "a/b", "parameters": {"bucket": "other"}}, "s3://other/a/b"),
        ({"path": "a/b", "parameters": {"type": "s3", "bucket": "other"}}, "s3://other/a/b"),
    ],
)
def test_storage_names_an_entry_of_the_storage_secret_and_parameters_override_it(storage, uri):
    held = secret("storage-config", mine=json.dumps(CONFIG), default=json.dumps(CONFIG))
    made = decide_storage(
        revision(storage=storage), lambda *place: held if place == ("secrets", "storage-config") else None
    )
    assert made.uri == uri
    if "type" not in storage.get("parameters", {}):
        assert made.environment == {"AWS_ENDPOINT_URL": "http://m", **KEYS}


@pytest.mark.parametrize(
    ("storage", "reason", "told"),
    [
        (
            {"key": "none", "path": "a"},
            "InvalidPredictorSpec",
            "specified storage key none not found in storage secret",
        ),
        ({"key": "damaged", "path": "a"}, "InvalidPredictorSpec", "invalid json encountered in key damaged"),
        ({"key": "list", "path": "a"}, "InvalidPredictorSpec", "invalid json encountered in key list"),
        ({"path": "a"}, "InvalidPredictorSpec", "unable to determine storage type"),
        ({"key": "bare", "path": "a"}, "InvalidPredictorSpec", "format [s3] requires a bucket"),
        ({"path": "a", "parameters": {"type": "hdfs"}}, "NeedsCluster", "--on kind"),
    ],
)
def test_what_the_storage_secret_lacks_is_told_in_kserves_words(storage, reason, told):
    held = secret("storage-config", damaged="{", list="[1]", bare='{"type": "s3"}')
    refused = storage_config(storage, held)
    assert refused.reason == reason
    assert told in refused.message
