"""What makes a new revision, what a revision needs, and which replicas start and stop."""

from dataclasses import replace

import pytest

from modelyard.serving.controller.revisions import (
    Failure,
    Plan,
    Revision,
    back_off_s,
    decide_revision,
    is_stopped,
    plan_forgetting,
    plan_replicas,
    revision_from,
)
from modelyard.serving.replicas.records import ReplicaRecord, ReplicaSpec

NOW = 1_000.0


def isvc(*, annotations=None, labels=None, **predictor):
    model = {"modelFormat": {"name": "mlflow"}, "storageUri": "s3://mlflow/one"}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": "flights",
            "namespace": "default",
            "uid": "u1",
            "annotations": annotations or {},
            "labels": labels or {},
        },
        "spec": {"predictor": {"model": model, **predictor}},
    }


def revision(number=1, *, failures=0, failed_at=0.0, **predictor):
    made = decide_revision(isvc(**predictor), [])
    made["metadata"]["name"] = f"flights-predictor-{number:05d}"
    failure = Failure("r", "ContainerCrashing", "", 1, failed_at) if failures else None
    held = revision_from(made)
    return Revision(
        held.namespace, held.name, held.inferenceservice, held.template, failures=failures, last_failure=failure
    )


def replica(name, state="serving", start_time="1"):
    spec = ReplicaSpec(name, "default", "flights", "flights-predictor-00001", "mlflow", "s3://mlflow/one")
    return ReplicaRecord(spec, 1, start_time, 9, state=state)


def test_the_first_revision_is_named_as_knative_names_it_and_belongs_to_the_service():
    made = decide_revision(isvc(annotations={"a": "1"}, canaryTrafficPercent=10), [])
    assert made["metadata"]["name"] == "flights-predictor-00001"
    assert made["metadata"]["ownerReferences"][0]["uid"] == "u1"
    assert "canaryTrafficPercent" not in made["spec"]["predictor"]


@pytest.mark.parametrize(
    "changed",
    [
        {"minReplicas": 2},
        {"logger": {"mode": "all", "url": "http://x"}},
        {"annotations": {"a": "1"}},
        {"labels": {"team": "x"}},
        {"model": {"modelFormat": {"name": "mlflow"}, "storageUri": "s3://mlflow/two"}},
    ],
)
def test_a_change_of_predictor_annotation_or_label_makes_a_revision(changed):
    assert decide_revision(isvc(**changed), [revision(1)])["metadata"]["name"] == "flights-predictor-00002"


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"canaryTrafficPercent": 10},
        {"canaryTrafficPercent": 0},
        {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}},
        {"annotations": {"serving.kserve.io/stop": "false"}},
    ],
)
def test_the_canary_percentage_kubectls_note_and_a_stop_make_none(changed):
    assert decide_revision(isvc(**changed), [revision(1)]) is None


def test_the_newest_revision_counts_not_an_older_equal_one():
    assert decide_revision(isvc(), [revision(1), revision(2, minReplicas=3)])["metadata"]["name"].endswith("00003")


def test_missing_replicas_are_started_and_surplus_ones_leave_unready_first():
    ready = frozenset({"a", "b"})
    assert plan_replicas(revision(), [], wanted=2, ready=frozenset(), now=NOW) == Plan(starts=2)
    held = [replica("a"), replica("b"), replica("c", "starting")]
    assert plan_replicas(revision(), held, wanted=2, ready=ready, now=NOW) == Plan(stops=("c",))
    assert plan_replicas(revision(), held, wanted=0, ready=ready, now=NOW) == Plan(stops=("c", "a", "b"))
    assert plan_replicas(revision(), held, wanted=3, ready=ready, now=NOW) == Plan()


def test_of_equal_replicas_the_youngest_leaves_and_one_that_is_on_its_way_out_counts_no_more():
    old, young = replica("z", start_time="100"), replica("a", start_time="20000")
    ready = frozenset({"a", "z"})
    assert plan_replicas(revision(), [old, young], wanted=1, ready=ready, now=NOW) == Plan(stops=("a",))
    leaving = replace(revision(), status={"stopping": ["a"]})
    assert plan_replicas(leaving, [old, young], wanted=1, ready=ready, now=NOW) == Plan()
    assert plan_replicas(leaving, [old, young], wanted=2, ready=ready, now=NOW) == Plan(starts=1)


@pytest.mark.parametrize(("told", "stopped"), [({}, False), ("true", True), ("True", True), ("false", False)])
def test_a_service_is_stopped_by_its_annotation_in_whatever_case(told, stopped):
    assert is_stopped(isvc(annotations={"serving.kserve.io/stop": told} if told else {})) is stopped


def test_a_replica_that_fails_again_and_again_is_replaced_ever_later():
    assert [back_off_s(failures) for failures in range(10)] == [0, 0, 1, 2, 4, 8, 16, 32, 60, 60]
    failing = revision(failures=4, failed_at=NOW)
    assert plan_replicas(failing, [], wanted=1, ready=frozenset(), now=NOW + 3.9) == Plan()
    assert plan_replicas(failing, [], wanted=1, ready=frozenset(), now=NOW + 4.0) == Plan(starts=1)


def test_old_revisions_are_forgotten_but_never_a_needed_one():
    held = [revision(number) for number in range(1, 15)]
    assert plan_forgetting(held, ["flights-predictor-00001", "flights-predictor-00014"]) == [
        "flights-predictor-00003",
        "flights-predictor-00002",
    ]
