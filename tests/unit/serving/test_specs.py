"""What a replica must be, and what cannot be served."""

import pytest

from modelyard.serving.revisions import decide_revision, revision_from
from modelyard.serving.specs import Refusal, decide_spec


def revision(*, annotations=None, **predictor):
    model = {"modelFormat": {"name": "mlflow"}, "storageUri": "s3://mlflow/one"}
    meta = {"name": "flights", "namespace": "default", "uid": "u1", "annotations": annotations or {}}
    isvc = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": meta}
    return revision_from(decide_revision({**isvc, "spec": {"predictor": {"model": model, **predictor}}}, []))


@pytest.mark.parametrize(
    ("predictor", "reason", "told"),
    [
        ({"model": {"modelFormat": {"name": "onnx"}, "storageUri": "s3://a/b"}}, "NoSupportingRuntime", "mlflow"),
        ({"model": {"modelFormat": {"name": "mlflow"}, "storageUri": "ftp://a"}}, "InvalidPredictorSpec", "s3://"),
        ({"model": {"modelFormat": {"name": "mlflow"}}}, "InvalidPredictorSpec", "storageUri"),
        ({"model": None, "containers": [{"image": "x"}]}, "InvalidPredictorSpec", "model"),
    ],
)
def test_what_cannot_be_served_is_refused_with_what_is_allowed(predictor, reason, told):
    refused = decide_spec(revision(**predictor), require_registered=False)
    assert isinstance(refused, Refusal)
    assert refused.reason == reason
    assert told in refused.message


def test_registered_models_only_means_that_a_digest_is_needed():
    assert decide_spec(revision(), require_registered=True).reason == "ModelNotRegistered"
    registered = revision(annotations={"modelyard.dev/model-digest": "ab"})
    assert decide_spec(registered, require_registered=True).digest == "ab"


def test_the_legacy_field_names_the_format():
    spec = decide_spec(revision(model=None, sklearn={"storageUri": "s3://a/b"}), require_registered=False)
    assert (spec.model_format, spec.storage_uri) == ("sklearn", "s3://a/b")


def test_the_logger_carries_the_named_annotations_of_its_revision():
    logger = {"mode": "all", "url": "http://x", "metadataAnnotations": ["v", "absent"]}
    spec = decide_spec(revision(annotations={"v": "3", "w": "4"}, logger=logger), require_registered=False)
    assert spec.logger["annotations"] == {"v": "3"}
