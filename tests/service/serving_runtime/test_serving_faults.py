"""What breaks, and what goes on all the same."""

import signal

import psutil
import pytest

from modelyard.digest import model_digest
from modelyard.kube import condition, traffic
from modelyard.serving.replicas.client import ask_replicas
from modelyard.waiting import wait_until

DIGEST = "modelyard.dev/model-digest"


def word(held, kind):
    found = condition(held, kind)
    return found and (found["status"], found.get("reason", ""))


def when(runtime, name, holds, what):
    return wait_until(
        lambda: (h := runtime.services.get(name)) and holds(h) and h, what=what, deadline_s=30, interval_s=0.02
    )


def test_a_killed_replica_is_replaced_and_the_service_stays_ready(runtime, deployed, under_traffic):
    deployed("flights", "one", minReplicas=2)
    first, second = runtime.replicas("flights-predictor-00001")
    with under_traffic("flights", "one") as seen:
        psutil.Process(first.pid).kill()
        replaced = wait_until(
            lambda: {r.pid for r in runtime.replicas("flights-predictor-00001") if r.state == "serving"} - {first.pid},
            what="another replica",
            deadline_s=60,
        )
        wait_until(lambda: len(seen) > 60, what="more requests", deadline_s=60)
    assert second.pid in replaced
    # What the killed replica was answering is lost with it; nothing else is.
    assert len([answer for answer in seen if answer != 200]) <= 4
    assert word(runtime.services.get("flights"), "Ready") == ("True", "")


def test_replicas_outlive_warm_parent_control_plane_and_activator_and_are_adopted(runtime, deployed, under_traffic):
    deployed("flights", "one")
    before = {r.name: r.pid for r in runtime.replicas()}
    with under_traffic("flights", "one") as seen:
        runtime.end("serving", signal.SIGKILL)
        runtime.end("replicas", signal.SIGKILL)
        runtime.end("activator", signal.SIGKILL)
        runtime.start("activator")
        runtime.start("serving")
        runtime.start("replicas")
        held = runtime.services.wait_ready("flights", generation=1, deadline_s=30)
        assert {r.name: r.pid for r in runtime.replicas()} == before
    assert set(seen) == {200}
    assert traffic(held)[0]["revisionName"] == "flights-predictor-00001"
    # The new parent has them: it ends one that is not its child, and tells it.
    runtime.delete("flights")
    listed = ask_replicas(runtime.conn.layout.socket("replicas"))
    assert not [r for r in listed if r["state"] != "exited" and r["spec"]["inferenceservice"] == "flights"]


def test_envoy_killed_comes_back_with_its_routes(runtime, deployed):
    deployed("flights", "one")
    runtime.end("envoy", signal.SIGKILL)
    unrouted = when(runtime, "flights", lambda h: word(h, "Ready")[0] != "True", "the loss of the gateway to be told")
    assert word(unrouted, "PredictorRouteReady") == ("Unknown", "Uninitialized")
    runtime.start("envoy")
    wait_until(
        lambda: runtime.ask("flights", runtime.models["one"].body).status_code == 200, what="an answer", deadline_s=60
    )
    when(runtime, "flights", lambda h: word(h, "Ready") == ("True", ""), "Ready again")


def test_a_model_whose_digest_differs_is_not_loaded_and_the_old_one_serves_on(runtime, deployed):
    deployed("flights", "one", annotations={DIGEST: runtime.models["one"].digest})
    runtime.apply("flights", "two", annotations={DIGEST: runtime.models["one"].digest})
    held = when(runtime, "flights", lambda h: word(h, "Ready")[0] == "False", "the revision to fail")
    assert word(held, "PredictorReady") == ("False", "RevisionFailed")
    assert runtime.models["two"].digest in condition(held, "Ready")["message"]
    status = held["status"]["modelStatus"]
    assert status["transitionStatus"] == "BlockedByFailedLoad"
    assert status["states"] == {"activeModelState": "Loaded", "targetModelState": "FailedToLoad"}
    failure = status["lastFailureInfo"]
    assert (failure["reason"], failure["modelRevisionName"]) == ("ModelDigestMismatch", "flights-predictor-00002")
    assert traffic(held) == [{"latestRevision": True, "percent": 100, "revisionName": "flights-predictor-00001"}]
    assert runtime.ask("flights", runtime.models["one"].body).status_code == 200
    runtime.apply("flights", "two", annotations={DIGEST: runtime.models["two"].digest})
    mended = when(runtime, "flights", lambda h: word(h, "Ready")[0] == "True", "the mended revision to be ready")
    assert traffic(mended)[0]["revisionName"] == "flights-predictor-00003"


def test_a_model_that_was_changed_in_the_cache_is_not_what_the_next_replica_loads(runtime, deployed):
    digest = runtime.models["one"].digest
    deployed("flights", "one", annotations={DIGEST: digest})
    cache = runtime.conn.layout.data("serving") / "models"
    copies = [folder for folder in cache.iterdir() if folder.is_dir() and model_digest(folder) == digest]
    for copy in copies:
        (copy / "model.skops").write_bytes(b"changed")
    (before,) = runtime.replicas("flights-predictor-00001")
    psutil.Process(before.pid).kill()
    wait_until(
        lambda: [
            r for r in runtime.replicas("flights-predictor-00001") if r.state == "serving" and r.pid != before.pid
        ],
        what="another replica",
        deadline_s=30,
    )
    assert digest in [model_digest(copy) for copy in copies]
    wait_until(
        lambda: runtime.ask("flights", runtime.models["one"].body).status_code == 200, what="an answer", deadline_s=60
    )


@pytest.mark.parametrize(
    ("options", "transition", "reason", "told"),
    [
        ({"uri": "s3://mlflow/nowhere"}, "BlockedByFailedLoad", "ModelDownloadFailed", "s3://mlflow/nowhere"),
        ({"uri": "s3://mlflow/plain"}, "BlockedByFailedLoad", "ModelLoadFailed", "MLmodel"),
        ({"uri": "ftp://mlflow/one"}, "InvalidSpec", "InvalidPredictorSpec", "s3://"),
    ],
)
def test_a_model_that_cannot_be_had_says_why(runtime, options, transition, reason, told):
    runtime.apply("broken", "one", **options)
    try:
        held = when(runtime, "broken", lambda h: word(h, "Ready") and word(h, "Ready")[0] == "False", "the failure")
        status = held["status"]["modelStatus"]
        assert (status["transitionStatus"], status["lastFailureInfo"]["reason"]) == (transition, reason)
        assert told in status["lastFailureInfo"]["message"]
        answer = runtime.ask("broken", {})
        assert (answer.status_code, "broken" in answer.json()["error"]) == (503, True)
    finally:
        runtime.delete("broken")


def test_a_yard_may_refuse_models_that_nobody_registered(runtime):
    runtime.end("serving")
    runtime.start("serving", MODELYARD_REQUIRE_REGISTERED_MODELS="true")
    try:
        runtime.apply("stranger", "one")
        held = when(runtime, "stranger", lambda h: word(h, "Ready") and word(h, "Ready")[0] == "False", "the refusal")
        assert held["status"]["modelStatus"]["lastFailureInfo"]["reason"] == "ModelNotRegistered"
        assert DIGEST in condition(held, "Ready")["message"]
        assert not [r for r in runtime.replicas() if r.spec.inferenceservice == "stranger"]
        runtime.deploy("member", "one", annotations={DIGEST: runtime.models["one"].digest})
        runtime.delete("member")
        runtime.delete("stranger")
    finally:
        runtime.end("serving")
        runtime.start("serving")


def test_a_service_that_is_deleted_and_made_again_at_once_begins_anew(runtime, deployed):
    first = deployed("flights", "one")
    runtime.services.delete("flights")
    held = deployed("flights", "two")
    assert held["metadata"]["uid"] != first["metadata"]["uid"]
    assert traffic(held)[0]["revisionName"] == "flights-predictor-00001"
    answer = runtime.ask("flights", runtime.models["two"].body).json()
    first_row = list(answer["predictions"][0]["probabilities"].values())
    assert first_row == pytest.approx(runtime.models["two"].truth[0].tolist(), abs=1e-12)
