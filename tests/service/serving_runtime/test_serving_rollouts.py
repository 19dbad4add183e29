"""Canary, promotion and roll-back as a KServe client sees them, with requests under way."""

import collections

import httpx

from modelyard.kube import condition, traffic
from modelyard.waiting import wait_until

ONE, TWO, THREE = (f"flights-predictor-0000{number}" for number in (1, 2, 3))


def patched(runtime, **predictor):
    held = runtime.services.patch("flights", {"spec": {"predictor": predictor}})
    return runtime.services.wait_ready("flights", generation=held["metadata"]["generation"], deadline_s=60)


def parts(held):
    return [(entry["revisionName"], entry["percent"], entry.get("tag")) for entry in traffic(held)]


def model(runtime, name):
    return {"storageUri": runtime.models[name].uri}


def answered_by(runtime, count, host=""):
    """How many answers each model gave; the two never give the same figures."""
    seen = collections.Counter()
    with httpx.Client() as client:
        for _ in range(count):
            answer = client.post(
                f"{runtime.conn.gateway}/v1/models/flights:predict",
                json=runtime.models["one"].body,
                headers={"Host": host or "flights.default.localhost"},
            ).json()
            first = list(answer["predictions"][0]["probabilities"].values())
            seen["one" if abs(first[0] - runtime.models["one"].truth[0][0]) < 1e-12 else "two"] += 1
    return seen


def test_canary_promotion_and_roll_back_lose_no_request(runtime, deployed, under_traffic):
    deployed("flights", "one")
    with under_traffic("flights", "one") as seen:
        held = patched(runtime, canaryTrafficPercent=20, model=model(runtime, "two"))
        assert parts(held) == [(TWO, 20, None), (ONE, 80, "prev")]
        # 200 requests at 20%: 40, and outside 18..62 once in ten thousand runs
        assert 18 <= answered_by(runtime, 200)["two"] <= 62
        assert answered_by(runtime, 10, host="prev-flights-predictor.default.localhost") == {"one": 10}

        held = patched(runtime, canaryTrafficPercent=0)
        assert parts(held) == [(TWO, 0, None), (ONE, 100, "prev")]
        assert answered_by(runtime, 20) == {"one": 20}

        held = patched(runtime, canaryTrafficPercent=None)
        assert parts(held) == [(TWO, 100, None)]
        predictor = held["status"]["components"]["predictor"]
        assert (predictor["latestRolledoutRevision"], predictor["previousRolledoutRevision"]) == (TWO, ONE)
        assert answered_by(runtime, 20) == {"two": 20}
        wait_until(lambda: not runtime.replicas(ONE), what="the old revision's replica to end", deadline_s=60)

        held = patched(runtime, canaryTrafficPercent=0)
        assert parts(held) == [(TWO, 0, None), (ONE, 100, "prev")]
        assert answered_by(runtime, 20) == {"one": 20}
    assert collections.Counter(seen) == {200: len(seen)}
    assert len(seen) > 50


def test_a_new_candidate_after_a_roll_back_gives_the_bad_one_nothing(runtime, deployed):
    deployed("flights", "one")
    patched(runtime, canaryTrafficPercent=50, model=model(runtime, "two"))
    patched(runtime, canaryTrafficPercent=0)
    seen = []
    held = runtime.services.patch(
        "flights", {"spec": {"predictor": {"canaryTrafficPercent": 10, "model": {"storageUri": "s3://mlflow/nowhere"}}}}
    )
    broken = wait_until(
        lambda: (h := runtime.services.get("flights")) and failed(h) and h,
        what="the candidate to fail",
        deadline_s=30,
    )
    assert parts(broken) == [(TWO, 0, None), (ONE, 100, "prev")]
    assert broken["status"]["observedGeneration"] == held["metadata"]["generation"]
    seen = answered_by(runtime, 20)
    assert seen == {"one": 20}
    mended = patched(runtime, model=model(runtime, "two"))
    assert parts(mended) == [("flights-predictor-00004", 10, None), (ONE, 90, "prev")]


def failed(held):
    found = condition(held, "PredictorReady")
    return found and found["status"] == "False"


def test_scaling_out_and_in_loses_no_request(runtime, deployed, under_traffic):
    deployed("flights", "one")
    with under_traffic("flights", "one") as seen:
        held = patched(runtime, minReplicas=3)
        assert len(runtime.replicas(traffic(held)[0]["revisionName"])) == 3
        wait_until(lambda: len(runtime.replicas()) == 3 + standing(runtime), what="three replicas", deadline_s=60)
        patched(runtime, minReplicas=1)
        wait_until(lambda: len(runtime.replicas()) == 1 + standing(runtime), what="one replica", deadline_s=60)
    assert collections.Counter(seen) == {200: len(seen)}


def standing(runtime):
    return len([r for r in runtime.replicas() if r.spec.inferenceservice == "standing"])


def test_an_annotation_makes_a_revision_and_a_no_op_does_not(runtime, deployed):
    first = deployed("flights", "one", annotations={"modelyard.dev/model-version": "1"})
    runtime.services.patch("flights", {"metadata": {"annotations": {"modelyard.dev/model-version": "1"}}})
    assert runtime.services.get("flights")["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    runtime.services.patch("flights", {"metadata": {"annotations": {"modelyard.dev/model-version": "2"}}})
    held = wait_until(
        lambda: (h := runtime.services.get("flights")) and parts(h) == [(TWO, 100, None)] and h,
        what="a second revision",
        deadline_s=30,
    )
    assert held["status"]["observedGeneration"] == 1
