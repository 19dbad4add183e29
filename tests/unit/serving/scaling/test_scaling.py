"""The autoscaling loop without replicas: what a poke does, and what a new control plane goes on from."""

import pytest

from modelyard.autoscaling.spec import ScalingSpec
from modelyard.serving.activator.messages import Report
from modelyard.serving.controller.ledger import Ledger
from modelyard.serving.controller.revisions import revision_from
from modelyard.serving.scaling.loop import Followed, Scaling
from modelyard.serving.store import Store

KEY = ("default", "naps-predictor-00001")
SLEEPER = ScalingSpec(min_scale=0)


@pytest.fixture
def ledger(tmp_path):
    store = Store(tmp_path / "store.sqlite")
    meta = {"namespace": KEY[0], "name": KEY[1], "ownerReferences": [{"name": "naps", "uid": "u"}]}
    store.create("revisions", {"apiVersion": "v1", "kind": "Revision", "metadata": meta, "spec": {"predictor": {}}})
    store.update_status("revisions", *KEY, {"ready": True, "desiredScale": 0})
    yield Ledger(store)
    store.close()


def revision(ledger):
    return revision_from(ledger.store.get("revisions", *KEY))


def scaling(ledger):
    woken = []
    made = Scaling(ledger, lambda: woken.append(True))
    return made, woken


def follow(made, ledger, *, spec=SLEEPER, reachable=True):
    made.follow([Followed(revision(ledger), spec, (), reachable=reachable)])


def test_the_first_request_at_zero_wakes_a_revision_at_once(ledger):
    made, woken = scaling(ledger)
    follow(made, ledger)
    assert revision(ledger).desired_scale == 0
    made.poke(KEY)
    assert revision(ledger).desired_scale == 1
    assert woken


def test_a_poke_for_a_revision_that_nobody_followed_counts_when_it_is(ledger):
    made, woken = scaling(ledger)
    made.poke(KEY)
    assert made.holding == {KEY}
    assert woken
    follow(made, ledger, reachable=False)
    assert revision(ledger).desired_scale == 1


def test_the_activator_holds_until_it_says_that_nothing_is_left(ledger):
    made, _ = scaling(ledger)
    made.report({KEY: Report(active=0, queued=2, concurrency=2.0, rps=1.0)})
    assert made.holding == {KEY}
    made.report({KEY: Report(active=1, queued=0, concurrency=1.0, rps=0.0)})
    assert made.holding == {KEY}
    made.report({KEY: Report(active=0, queued=0, concurrency=0.0, rps=0.0)})
    assert made.holding == set()


def test_the_next_control_plane_goes_on_from_the_scale_that_was_written_down(ledger):
    first, _ = scaling(ledger)
    follow(first, ledger)
    first.poke(KEY)
    second, _ = scaling(ledger)
    follow(second, ledger)
    second.poke(KEY)
    assert second.outcomes[KEY].desired == 1
    assert revision(ledger).desired_scale == 1


def test_a_status_that_two_write_keeps_what_either_wrote(ledger):
    stale = revision(ledger)
    ledger.save(revision(ledger), desiredScale=3)
    assert ledger.save(stale, failures=1).desired_scale == 3
