"""Every field that KServe's CRD has is served here, has nothing to act on, or refuses the InferenceService.

`recorded/inferenceservice-fields.json` has the names of the fields of KServe v0.20.0, config/crd/full.
"""

import itertools
import json
from pathlib import Path

import pytest

from modelyard.serving.spec import unserved
from modelyard.serving.spec.unserved import find_unserved

FIELDS = json.loads((Path(__file__).parents[1] / "recorded" / "inferenceservice-fields.json").read_text())
TABLES = {
    "spec": (unserved.SPEC_SERVED, {}, unserved.SPEC_NEEDS_CLUSTER),
    "spec.predictor": (
        unserved.PREDICTOR_SERVED,
        unserved.PREDICTOR_WITHOUT_EFFECT,
        unserved.PREDICTOR_NEEDS_CLUSTER,
    ),
    "spec.predictor.model": (unserved.MODEL_SERVED, unserved.MODEL_WITHOUT_EFFECT, unserved.MODEL_NEEDS_CLUSTER),
    "spec.predictor.logger": (unserved.LOGGER_SERVED, {}, unserved.LOGGER_NEEDS_CLUSTER),
    "spec.predictor.model.storage": (unserved.STORAGE_SERVED, unserved.STORAGE_WITHOUT_EFFECT, frozenset()),
}
MODEL = {"modelFormat": {"name": "sklearn"}, "storageUri": "s3://a/b"}


@pytest.mark.parametrize("place", TABLES)
def test_each_field_of_the_crd_stands_in_exactly_one_table_and_no_table_invents_one(place):
    served, without_effect, refused = (set(table) for table in TABLES[place])
    assert served | without_effect | refused == set(FIELDS[place])
    assert len(served) + len(without_effect) + len(refused) == len(FIELDS[place])


def test_fields_of_the_old_form_are_those_of_a_model():
    assert set(FIELDS["spec.predictor.sklearn"]) | {"modelFormat", "runtime"} == set(FIELDS["spec.predictor.model"])


def said(field):
    """A value of a shape that the field may have; a cluster's API would take it."""
    return {"confidential": {"enabled": True}}.get(field, [{"name": "x"}] if field.endswith("s") else {"a": "b"})


@pytest.mark.parametrize("field", sorted(unserved.PREDICTOR_NEEDS_CLUSTER))
def test_a_field_of_the_predictor_that_needs_a_cluster_is_refused_by_name(field):
    refused = find_unserved({"predictor": {"model": MODEL, field: said(field)}})
    assert refused.reason == "NeedsCluster"
    assert refused.message.startswith(f"spec.predictor.{field}: ")
    assert "./invoke up --on kind" in refused.message


@pytest.mark.parametrize("field", sorted(unserved.MODEL_NEEDS_CLUSTER))
@pytest.mark.parametrize("kind", ["model", "sklearn"])
def test_a_field_of_the_model_that_needs_a_cluster_is_refused_by_name(kind, field):
    refused = find_unserved({"predictor": {kind: {**MODEL, field: said(field)}}})
    assert refused.message.startswith(f"spec.predictor.{kind}.{field}: ")


@pytest.mark.parametrize("field", sorted(unserved.SPEC_NEEDS_CLUSTER))
def test_other_components_are_refused_by_name(field):
    refused = find_unserved({"predictor": {"model": MODEL}, field: said(field)})
    assert refused.message.startswith(f"spec.{field}: ")


@pytest.mark.parametrize(
    ("predictor", "annotations", "told"),
    [
        ({"model": {**MODEL, "protocolVersion": "grpc-v2"}}, {}, "spec.predictor.model.protocolVersion grpc-v2"),
        (
            {"model": {**MODEL, "env": [{"name": "A", "valueFrom": {"secretKeyRef": {}}}]}},
            {},
            "spec.predictor.model.env[A].valueFrom",
        ),
        ({"model": MODEL, "logger": {"url": "u", "batchSize": 5}}, {}, "spec.predictor.logger.batchSize"),
        ({"model": MODEL, "scaleMetric": "cpu"}, {}, "spec.predictor.scaleMetric cpu"),
        ({"model": MODEL}, {unserved.MODE_ANNOTATION: "RawDeployment"}, "deploymentMode RawDeployment"),
        ({"model": MODEL}, {unserved.AUTOSCALER_ANNOTATION: "keda"}, "autoscalerClass keda"),
        ({"model": MODEL, "annotations": {unserved.AUTOSCALER_ANNOTATION: "external"}}, {}, "autoscalerClass external"),
        ({"model": MODEL}, {"autoscaling.knative.dev/class": "hpa.autoscaling.knative.dev"}, "hpa.autoscaling"),
    ],
)
def test_values_that_need_a_cluster_are_refused(predictor, annotations, told):
    refused = find_unserved({"predictor": predictor}, annotations)
    assert refused.reason == "NeedsCluster"
    assert told in refused.message
    assert "--on kind" in refused.message


def test_all_of_it_stands_in_one_message():
    refused = find_unserved({"transformer": {"containers": [{}]}, "predictor": {"model": MODEL, "batcher": {"a": 1}}})
    assert refused.message.startswith("spec.transformer, spec.predictor.batcher: not served on one machine")


def test_what_has_nothing_to_act_on_and_what_is_empty_is_no_reason_to_refuse():
    everything = {field: said(field) for field in unserved.PREDICTOR_WITHOUT_EFFECT}
    model = {**MODEL, **{field: said(field) for field in unserved.MODEL_WITHOUT_EFFECT}}
    empty = dict(zip(sorted(unserved.PREDICTOR_NEEDS_CLUSTER), itertools.cycle([None, {}, [], ""]), strict=False))
    assert find_unserved({"predictor": {**everything, **empty, "model": model}, "explainer": None}) is None
    model = {**MODEL, "confidential": {"enabled": False}}
    assert find_unserved({"predictor": {"model": model}}, {unserved.MODE_ANNOTATION: "Serverless"}) is None
