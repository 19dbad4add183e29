from dataclasses import asdict
from string import Template

import pytest
import yaml

from modelyard.connections import REPOSITORY
from modelyard.errors import YardError
from modelyard.registry.deployment import build_manifest
from modelyard.registry.models import ModelVersion

VERSION = ModelVersion("flights", "2", "0a1b", "s3://mlflow/1/models/m-1/artifacts", "f" * 64, data_md5="ba2a62")
URL = "http://127.0.0.1:7606/events/x"


def built(**options):
    return build_manifest(VERSION, logger_url=URL, name="flights", namespace="default", **options)


def test_the_sample_models_yaml_is_what_a_promotion_applies():
    text = (REPOSITORY / "sample-model" / "inferenceservice.yaml").read_text("utf-8")
    assert yaml.safe_load(Template(text).substitute(asdict(VERSION), logger_url=URL)) == built()


def test_it_survives_a_way_through_yaml():
    assert yaml.safe_load(yaml.safe_dump(built())) == built()


def test_annotations_are_strings_without_commas_and_equals_signs_as_kserves_agent_needs_them():
    for value in built()["metadata"]["annotations"].values():
        assert isinstance(value, str)
        assert not set(value) & set(",=")


def test_a_canary_differs_from_a_full_rollout_only_by_its_share():
    canary = built(canary_percent=10)
    assert canary["spec"]["predictor"].pop("canaryTrafficPercent") == 10
    assert canary == built()


def test_a_canary_of_nothing_is_not_a_full_rollout():
    assert built(canary_percent=0)["spec"]["predictor"]["canaryTrafficPercent"] == 0


@pytest.mark.parametrize("percent", [-1, 101])
def test_a_share_that_is_no_percentage_is_refused(percent):
    with pytest.raises(YardError, match=f"{percent} percent"):
        built(canary_percent=percent)


def test_replicas_are_passed_on():
    assert built(min_replicas=3)["spec"]["predictor"]["minReplicas"] == 3
