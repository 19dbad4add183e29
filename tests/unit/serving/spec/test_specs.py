"""What a replica must be, and what cannot be served."""

import pytest

from modelyard.serving.controller.revisions import decide_revision, revision_from
from modelyard.serving.spec.arguments import BadArgument, ServerArguments, parse_arguments
from modelyard.serving.spec.replicas import Refusal, decide_spec, environment_of

MLFLOW = {"modelFormat": {"name": "mlflow"}, "storageUri": "s3://mlflow/one"}


def revision(*, annotations=None, **predictor):
    meta = {"name": "flights", "namespace": "default", "uid": "u1", "annotations": annotations or {}}
    isvc = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": meta}
    return revision_from(decide_revision({**isvc, "spec": {"predictor": {"model": MLFLOW, **predictor}}}, []))


def decided(*, annotations=None, name="sklearn", version=None, **model):
    told = {"name": name, **({"version": version} if version else {})}
    model = {"modelFormat": told, "storageUri": "s3://a/b", **model}
    return decide_spec(revision(annotations=annotations, model=model), require_registered=False)


@pytest.mark.parametrize(
    ("predictor", "reason", "told"),
    [
        ({"model": {**MLFLOW, "storageUri": "ftp://a"}}, "InvalidPredictorSpec", "s3://, https://, http://, file://"),
        ({"model": {"modelFormat": {"name": "mlflow"}}}, "InvalidPredictorSpec", "storageUri"),
        ({"model": {**MLFLOW, "storage": {"path": "a"}}}, "InvalidPredictorSpec", "one of them"),
        ({"model": None, "containers": [{"image": "x"}]}, "NeedsCluster", "spec.predictor.containers"),
        ({"model": {**MLFLOW, "args": ["--nothing=1"]}}, "InvalidPredictorSpec", "--enable_latency_logging"),
        ({"model": {**MLFLOW, "env": [{"name": "MODELYARD_YARD"}]}}, "InvalidPredictorSpec", "the yard's own"),
        ({"model": {**MLFLOW, "env": "x"}}, "InvalidPredictorSpec", "cannot be read"),
    ],
)
def test_what_cannot_be_served_is_refused_with_what_is_allowed(predictor, reason, told):
    refused = decide_spec(revision(**predictor), require_registered=False)
    assert isinstance(refused, Refusal)
    assert refused.reason == reason
    assert told in refused.message


@pytest.mark.parametrize(
    ("model", "reason", "told"),
    [
        ({"name": "magic"}, "NoSupportingRuntime", "No runtime found to support specified framework/version"),
        ({"version": "9"}, "NoSupportingRuntime", "No runtime found to support specified framework/version: sklearn 9"),
        ({"runtime": "mine"}, "RuntimeNotRecognized", "Waiting for runtime to become available"),
        (
            {"runtime": "kserve-mlserver", "protocolVersion": "v1"},
            "NoSupportingRuntime",
            "Specified runtime does not support specified protocol version",
        ),
        (
            {"runtime": "kserve-sklearnserver", "name": "mlflow"},
            "NoSupportingRuntime",
            "Specified runtime does not support specified framework/version",
        ),
        (
            {"runtime": "kserve-lgbserver", "name": "lightgbm", "version": "3"},
            "NoSupportingRuntime",
            "Specified runtime does not support specified framework/version: lightgbm 3 is none of lightgbm (4)",
        ),
        ({"protocolVersion": "v9"}, "NoSupportingRuntime", "protocolVersion v9 is none of v1, v2"),
        ({"protocolVersion": "grpc-v2"}, "NeedsCluster", "grpc-v2"),
        ({"name": "pytorch"}, "NeedsCluster", "export the model as ONNX"),
        ({"name": "triton"}, "NeedsCluster", "--on kind"),
        ({"name": "onnx", "runtime": "kserve-tritonserver"}, "NeedsCluster", "kserve-tritonserver"),
    ],
)
def test_a_model_that_no_runtime_takes_is_refused_in_kserves_words(model, reason, told):
    refused = decided(**model)
    assert isinstance(refused, Refusal)
    assert refused.reason == reason
    assert told in refused.message


@pytest.mark.parametrize(
    ("model", "protocol"),
    [
        ({}, "v1"),
        ({"name": "xgboost", "version": "2"}, "v1"),
        ({"name": "lightgbm", "version": "4.6.0", "runtime": "kserve-lgbserver", "protocolVersion": "v2"}, "v2"),
        ({"name": "mlflow", "runtime": "kserve-mlserver"}, "v2"),
        ({"name": "onnx", "runtime": "modelyard"}, "v1"),
        ({"runtime": "kserve-predictiveserver", "runtimeVersion": "latest"}, "v1"),
    ],
)
def test_runtimes_that_this_machine_stands_in_for_are_taken_with_their_protocol(model, protocol):
    assert decided(**model).protocol == protocol


def test_registered_models_only_means_that_a_digest_is_needed():
    assert decide_spec(revision(), require_registered=True).reason == "ModelNotRegistered"
    registered = revision(annotations={"modelyard.dev/model-digest": "ab"})
    assert decide_spec(registered, require_registered=True).digest == "ab"


@pytest.mark.parametrize("name", ["sklearn", "xgboost", "lightgbm", "onnx"])
def test_the_field_of_the_old_form_names_the_format(name):
    spec = decide_spec(revision(model=None, **{name: {"storageUri": "s3://a/b"}}), require_registered=False)
    assert (spec.model_format, spec.storage_uri) == (name, "s3://a/b")


def test_the_logger_carries_the_named_annotations_of_its_revision():
    logger = {"mode": "all", "url": "http://x", "metadataAnnotations": ["v", "absent"]}
    spec = decide_spec(revision(annotations={"v": "3", "w": "4"}, logger=logger), require_registered=False)
    assert spec.logger["annotations"] == {"v": "3"}


def test_what_the_predictor_says_reaches_the_replica():
    model = {**MLFLOW, "env": [{"name": "A", "value": "1"}], "args": ["--enable_latency_logging=true"]}
    spec = decide_spec(revision(model=model, timeout=7, containerConcurrency=3), require_registered=False)
    assert (spec.env, spec.args) == ({"A": "1"}, ["--enable_latency_logging=true"])
    assert (spec.timeout_s, spec.container_concurrency) == (7, 3)


def test_variables_may_name_earlier_ones_as_in_kubernetes():
    variables = [
        {"name": "HOST", "value": "a"},
        {"name": "URL", "value": "http://$(HOST)/$(LATER)/$$(HOST)"},
        {"name": "LATER", "value": "x"},
        {"name": "EMPTY"},
    ]
    assert environment_of(variables) == {"HOST": "a", "URL": "http://a/$(LATER)/$(HOST)", "LATER": "x", "EMPTY": ""}


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ([], ServerArguments()),
        (["--nthread=4"], ServerArguments(nthread=4)),
        (["--timeout-keep-alive", "5"], ServerArguments(timeout_keep_alive=5)),
        (["--enable_latency_logging", "yes"], ServerArguments(enable_latency_logging=True)),
        (["--model_name=flights", "--http_port=8080", "--workers=1", "--enable_grpc", "False"], ServerArguments()),
    ],
)
def test_arguments_of_kserves_model_server(args, expected):
    assert parse_arguments(args, model_name="flights") == expected


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--workers=4"], "can only be 1"),
        (["--enable_grpc=true"], "can only be false"),
        (["--model_name=other"], "can only be flights"),
        (["--nthread=many"], "whole number"),
        (["--enable_docs_url=maybe"], "true or false"),
        (["--ssl_keyfile=/etc/key"], "--ssl_keyfile is not one"),
        (["nthread=4"], "--NAME=VALUE"),
        (["--nthread"], "has no value"),
        (["--nthread", "--workers=1"], "has no value"),
    ],
)
def test_arguments_that_a_replica_does_not_take_are_refused(args, told):
    with pytest.raises(BadArgument, match=told):
        parse_arguments(args, model_name="flights")
