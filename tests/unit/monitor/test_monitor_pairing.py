import json

import pytest

from modelyard.monitor.cloudevents import Event
from modelyard.monitor.pairing import Half, count_rows, decide_pairing, join_halves, read_answers

REQUEST = json.dumps({"instances": [{"dewp": 1.0}, {"dewp": None}]}).encode()
RESPONSE = json.dumps({"predictions": [{"class": "early", "probabilities": {"early": 1.0}}] * 2}).encode()


def event(kind: str, body: bytes, version: str = "1") -> Event:
    return Event("a", kind, "default", "flights", version, "r", body)


def waiting(held: Event) -> Half:
    return Half(held.kind, count_rows(held), held.body, held.model_version, held.run_id)


@pytest.mark.parametrize(("first", "second"), [("request", "response"), ("response", "request")])
def test_two_halves_make_a_pair_in_either_order(first, second):
    body = {"request": REQUEST, "response": RESPONSE}
    one, other = event(first, body[first]), event(second, body[second])
    assert decide_pairing(one, None, paired=False).outcome == "waiting"
    decision = decide_pairing(other, waiting(one), paired=False)
    assert decision.outcome == "pair" and decision.drop_waiting
    pair = join_halves(waiting(one), decision.half)
    assert (pair.rows, pair.request, pair.response) == (2, REQUEST, RESPONSE)


def test_the_version_is_the_one_that_answered():
    pair = join_halves(waiting(event("request", REQUEST, "1")), waiting(event("response", RESPONSE, "2")))
    assert pair.model_version == "2"
    unnamed = waiting(event("response", RESPONSE, ""))
    assert join_halves(waiting(event("request", REQUEST, "1")), unnamed).model_version == "1"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("request", b""),
        ("request", b'{"instances":'),
        ("request", b'{"instances": [[1.0, 2.0]]}'),
        ("request", b'{"instances": []}'),
        ("request", b'{"inputs": []}'),
        ("response", b'{"ready":true}'),
        ("response", b'{"predictions": [0, 1]}'),
        ("other", REQUEST),
        ("request", b"[" * 100_000),
        ("request", b"\xff\xfe"),
    ],
)
def test_what_is_no_prediction_is_ignored(kind, body):
    assert decide_pairing(event(kind, body), None, paired=False).outcome == "ignored"


def test_the_answer_of_another_format_ends_the_wait_of_its_request():
    decision = decide_pairing(event("response", b'{"outputs": []}'), waiting(event("request", REQUEST)), paired=False)
    assert decision.outcome == "ignored" and decision.drop_waiting
    again = decide_pairing(event("request", b""), waiting(event("request", REQUEST)), paired=False)
    assert not again.drop_waiting


def test_a_half_that_comes_twice_counts_once():
    assert decide_pairing(event("request", REQUEST), waiting(event("request", REQUEST)), paired=False) == (
        decide_pairing(event("request", REQUEST), None, paired=True)
    )
    assert decide_pairing(event("response", RESPONSE), None, paired=True).outcome == "duplicate"


def test_halves_of_different_length_are_no_pair():
    short = json.dumps({"predictions": [{"class": "early", "probabilities": {}}]}).encode()
    decision = decide_pairing(event("response", short), waiting(event("request", REQUEST)), paired=False)
    assert decision.outcome == "mismatched" and decision.drop_waiting


def test_probabilities_that_are_no_numbers_are_left_out():
    body = (
        b'{"predictions": [{"class": "early", "probabilities": {"early": 0.5, "late": "x", "b": true}}, {"class": 3}]}'
    )
    assert read_answers(body) == [
        {"class": "early", "probabilities": {"early": 0.5}},
        {"class": "3", "probabilities": {}},
    ]
