"""Traffic decisions: KServe's rules for canary, promotion and roll-back."""

from hypothesis import given
from hypothesis import strategies as st

from modelyard.serving.controller.traffic import Rollout, Target, decide_traffic

A, B, C = "flights-predictor-00001", "flights-predictor-00002", "flights-predictor-00003"
ON_A = Rollout(rolled_out=A, traffic=(Target(A, 100, latest=True),))
ON_B = Rollout(rolled_out=B, previous=A, traffic=(Target(B, 100, latest=True),))


def decide(rollout, *, canary=None, created, ready, serving=frozenset({A, B, C})):
    return decide_traffic(
        rollout, canary_percent=canary, latest_created=created, latest_ready=ready, serving=frozenset(serving)
    )


def percents(decision):
    return [(target.revision, target.percent) for target in decision.rollout.traffic]


def test_the_first_revision_gets_everything_whatever_the_canary_percentage():
    decision = decide(Rollout(), canary=10, created=A, ready=A)
    assert percents(decision) == [(A, 100)]
    assert decision.rollout.rolled_out == A


def test_nothing_is_routed_before_a_revision_is_ready():
    decision = decide(Rollout(), created=A, ready="")
    assert (decision.wanted, decision.shifted) == ((), False)


def test_a_canary_leaves_the_rest_with_the_revision_that_is_rolled_out():
    decision = decide(ON_A, canary=10, created=B, ready=B)
    assert decision.rollout.traffic == (Target(B, 10, latest=True), Target(A, 90, latest=False, tag="prev"))
    assert decision.rollout.rolled_out == A


def test_promotion_remembers_the_revision_before():
    canary = decide(ON_A, canary=10, created=B, ready=B).rollout
    decision = decide(canary, created=B, ready=B)
    assert decision.rollout == ON_B


def test_a_hundred_percent_canary_is_rolled_out():
    decision = decide(ON_A, canary=100, created=B, ready=B)
    assert (percents(decision), decision.rollout.rolled_out) == ([(B, 100)], B)


def test_zero_percent_during_a_canary_gives_everything_back():
    canary = decide(ON_A, canary=10, created=B, ready=B).rollout
    assert percents(decide(canary, canary=0, created=B, ready=B)) == [(B, 0), (A, 100)]


def test_zero_percent_after_a_promotion_brings_the_previous_revision_back():
    decision = decide(ON_B, canary=0, created=B, ready=B)
    assert percents(decision) == [(B, 0), (A, 100)]
    assert (decision.rollout.rolled_out, decision.rollout.previous) == (A, A)


def test_a_roll_back_waits_until_the_previous_revision_has_a_replica():
    waiting = decide(ON_B, canary=0, created=B, ready=B, serving={B})
    assert percents(waiting) == [(B, 100)]
    assert [target.revision for target in waiting.wanted if target.percent] == [A]
    assert not waiting.shifted
    done = decide(waiting.rollout, canary=0, created=B, ready=B, serving={A, B})
    assert percents(done) == [(B, 0), (A, 100)]


def test_a_new_candidate_after_a_roll_back_leaves_the_bad_one_at_nothing():
    rolled_back = decide(ON_B, canary=0, created=B, ready=B).rollout
    coming = decide(rolled_back, canary=10, created=C, ready=B)
    assert percents(coming) == [(B, 0), (A, 100)]
    assert percents(decide(coming.rollout, canary=10, created=C, ready=C)) == [(C, 10), (A, 90)]


def test_the_old_revision_serves_on_while_the_new_one_is_not_ready():
    decision = decide(ON_A, created=B, ready=A)
    assert (percents(decision), decision.shifted) == ([(A, 100)], True)


def test_a_revision_without_replicas_is_not_called_shifted():
    assert not decide(ON_A, created=A, ready=A, serving=set()).shifted


steps = st.tuples(
    st.one_of(st.none(), st.integers(0, 100)), st.integers(1, 3), st.integers(0, 3), st.sets(st.sampled_from([A, B, C]))
)


@given(st.lists(steps, max_size=12))
def test_traffic_always_adds_up_and_moves_only_to_who_can_answer(story):
    rollout = Rollout()
    names = ["", A, B, C]
    for canary, created, ready, serving in story:
        decision = decide(
            rollout, canary=canary, created=names[created], ready=names[min(created, ready)], serving=serving
        )
        if decision.rollout.traffic:
            assert sum(target.percent for target in decision.rollout.traffic) == 100
        if decision.rollout.traffic != rollout.traffic:
            assert {t.revision for t in decision.rollout.traffic if t.percent} <= serving
        rollout = decision.rollout
