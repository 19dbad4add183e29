"""Canaries on a live yard with models of a few lines: what `start_canary`, `promote` and `roll_back` leave behind."""

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from modelyard.errors import DeployFailed
from modelyard.kube import traffic
from modelyard.rollout import canary as rollout
from modelyard.rollout.judge import Action, Verdict
from modelyard.waiting import wait_until

NAME = "signs"


@pytest.fixture(scope="module")
def addresses(yard, tmp_path_factory):
    """Two models in the store: the second calls everything the other way round."""
    held = []
    for number, classes in enumerate((["minus", "plus"], ["plus", "minus"])):
        folder = tmp_path_factory.mktemp("model")
        joblib.dump(LogisticRegression().fit(np.array([[-1.0], [1.0]]), classes), folder / "model.joblib")
        held.append(yard.upload(folder, f"s3://models/{NAME}-{number}"))
    return held


def manifest(address: str, version: str, percent: int | None = None) -> dict:
    predictor = {"model": {"modelFormat": {"name": "sklearn"}, "storageUri": address}}
    if percent is not None:
        predictor["canaryTrafficPercent"] = percent
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": NAME, "annotations": {rollout.VERSION: version}},
        "spec": {"predictor": predictor},
    }


@pytest.fixture
def stable(yard, addresses):
    """Version 1 has all of the traffic; the InferenceService is gone after the test."""
    held = yard.deploy(manifest(addresses[0], "1"))
    yield traffic(held)[0]["revisionName"]
    yard.services.delete(NAME)
    wait_until(lambda: yard.services.get(NAME) is None, what=f"{NAME} to be gone", deadline_s=30)


def shares(yard) -> dict[str, int]:
    return rollout.shares_of(yard.services.get(NAME))


def test_a_canary_gets_its_share_and_promotion_keeps_its_revision(yard, addresses, stable):
    canary = rollout.start_canary(yard.services, manifest(addresses[1], "2", 10), stable_version="1")
    assert (canary.version, canary.stable_version, canary.stable_revision) == ("2", "1", stable)
    assert shares(yard) == {canary.revision: 10, stable: 90}
    held = rollout.act(yard.services, NAME, Verdict(Action.PROMOTE, 500, "better"))
    assert shares(yard) == {canary.revision: 100}
    assert held["status"]["components"]["predictor"]["latestCreatedRevision"] == canary.revision
    assert "canaryTrafficPercent" not in held["spec"]["predictor"]


@pytest.mark.parametrize("action", [Action.ROLL_BACK, Action.WAIT])
def test_a_canary_that_is_refused_or_not_judged_gives_everything_back(yard, addresses, stable, action):
    rollout.start_canary(yard.services, manifest(addresses[1], "2", 10), stable_version="1")
    rollout.act(yard.services, NAME, Verdict(action, 3, "too few"))
    assert shares(yard) == {stable: 100}


def test_after_a_roll_back_the_next_canary_runs_beside_the_same_stable_revision(yard, addresses, stable):
    first = rollout.start_canary(yard.services, manifest(addresses[1], "2", 10), stable_version="1")
    rollout.roll_back(yard.services, NAME)
    second = rollout.start_canary(yard.services, manifest(addresses[1], "3", 20), stable_version="1")
    assert second.stable_revision == stable
    assert second.revision not in (stable, first.revision)
    assert shares(yard) == {second.revision: 20, stable: 80}


def test_a_candidate_that_does_not_load_is_rolled_back_and_the_error_says_why(yard, stable):
    broken = manifest("s3://models/there-is-nothing", "2", 10)
    with pytest.raises(DeployFailed) as error:
        rollout.start_canary(yard.services, broken, stable_version="1", deadline_s=8)
    assert "rolled back" in error.value.what
    assert error.value.detail
    assert shares(yard) == {stable: 100}
    assert yard.services.get(NAME)["spec"]["predictor"]["canaryTrafficPercent"] == 0


def test_a_canary_beside_a_canary_is_refused(yard, addresses, stable):
    rollout.start_canary(yard.services, manifest(addresses[1], "2", 10), stable_version="1")
    before = shares(yard)
    with pytest.raises(DeployFailed, match="already splits its traffic"):
        rollout.start_canary(yard.services, manifest(addresses[1], "3", 10), stable_version="1")
    assert shares(yard) == before


def test_a_canary_of_nothing_is_refused(yard, addresses):
    with pytest.raises(DeployFailed, match="does not exist"):
        rollout.start_canary(yard.services, manifest(addresses[1], "2", 10), stable_version="1")
