import copy

import pytest

from modelyard.registry.deployment import build_manifest
from modelyard.registry.lineage import (
    Endpoint,
    Lineage,
    Revision,
    name_revisions,
    problems,
    render_backward,
    render_forward,
)
from modelyard.registry.models import ModelVersion

V1 = ModelVersion(
    *("flights", "1", "run-one", "s3://mlflow/1/models/m-1/artifacts", "d1" * 32, "v1", "md5-one", "s3://dvc/files/1"),
    **{"git_commit": "c1" * 20, "accuracy": 0.675, "aliases": ("production",), "gate": "passed"},
)
V2 = ModelVersion(
    *("flights", "2", "run-two", "s3://mlflow/1/models/m-2/artifacts", "d2" * 32, "v2", "md5-two", "s3://dvc/files/2"),
    **{"git_commit": "c2" * 20, "accuracy": 0.678, "aliases": ("staging",), "gate": "passed"},
)


def canary(**status):
    service = build_manifest(V2, logger_url="http://x", name="flights", namespace="default", canary_percent=10)
    service["metadata"]["generation"] = 2
    predictor = {
        "latestCreatedRevision": "flights-predictor-00002",
        "traffic": [
            {"revisionName": "flights-predictor-00002", "percent": 10, "latestRevision": True},
            {"revisionName": "flights-predictor-00001", "percent": 90, "tag": "prev"},
        ],
    }
    service["status"] = {"observedGeneration": 2, "components": {"predictor": predictor}, **status}
    return service


def test_the_latest_revision_is_known_by_its_annotations_the_older_by_what_the_monitor_sees():
    assert name_revisions(canary(), {"1", "2"}) == (
        Revision("flights-predictor-00002", 10, "2"),
        Revision("flights-predictor-00001", 90, "1"),
    )


@pytest.mark.parametrize("seen", [set(), {"2"}, {"1", "2", "3"}])
def test_an_older_revision_that_nobody_tells_of_stays_unknown(seen):
    assert name_revisions(canary(), seen)[1].model_version is None


def test_a_change_that_the_controller_has_not_seen_names_no_revision():
    latest = name_revisions(canary(observedGeneration=1), set())[0]
    assert latest.model_version is None


def test_a_revision_without_traffic_is_left_out():
    service = canary()
    service["status"]["components"]["predictor"]["traffic"][0]["percent"] = 0
    assert [held.name for held in name_revisions(service, {"1"})] == ["flights-predictor-00001"]


@pytest.fixture
def lineage():
    service = canary()
    endpoint = Endpoint(
        namespace="default",
        name="flights",
        url="http://flights.default.localhost:7600",
        annotations=service["metadata"]["annotations"],
        revisions=name_revisions(service, {"1", "2"}),
    )
    return Lineage("flights", (V1, V2), (endpoint,))


def test_forward_the_chain_goes_from_the_data_to_the_endpoint(lineage):
    lines = render_forward(lineage)
    hops = [next(i for i, line in enumerate(lines) if told in line) for told in ("md5-one", "run-one", "version 1")]
    assert hops == sorted(hops)
    assert "flights-predictor-00001  90 %" in lines[hops[-1] + 1]
    assert "@production" in lines[hops[-1]]


def test_backward_the_chain_goes_from_the_endpoint_to_the_md5(lineage):
    lines = render_backward(lineage)
    start = next(i for i, line in enumerate(lines) if "flights-predictor-00001" in line)
    assert "version 1" in lines[start + 1]
    assert "run-one" in lines[start + 2]
    assert "md5-one" in lines[start + 3]
    assert "s3://dvc/files/1" in lines[start + 3]
    assert not any(line.startswith("DIFFERS") for line in lines)


@pytest.mark.parametrize("annotation", ["modelyard.dev/run-id", "modelyard.dev/data-md5", "modelyard.dev/model-digest"])
def test_an_annotation_that_differs_from_the_registry_is_told(lineage, annotation):
    endpoint = copy.deepcopy(lineage.endpoints[0])
    endpoint.annotations[annotation] = "another"
    found = problems(Lineage("flights", lineage.versions, (endpoint,)))
    assert len(found) == 1
    assert annotation in found[0]
    assert "another" in found[0]


def test_an_endpoint_of_a_version_that_is_not_registered_is_told(lineage):
    assert "not registered" in problems(Lineage("flights", (V1,), lineage.endpoints))[0]


def test_an_api_that_does_not_answer_is_not_an_empty_yard(lineage):
    assert "does not answer" in render_backward(Lineage("flights", (V1,), None))[0]
    assert "no InferenceService" in render_backward(Lineage("flights", (V1,), ()))[0]
