import json

import numpy as np
import pytest

from modelyard.codec import decode_predictions, decode_rows, encode_predictions, encode_rows


def test_missing_values_travel_as_null_and_never_as_nan():
    body = json.dumps(
        encode_rows([{"carrier": "UA", "dewp": float("nan"), "wind": np.float64("inf"), "n": np.int64(3)}])
    )
    assert json.loads(body, parse_constant=pytest.fail) == {
        "instances": [{"carrier": "UA", "dewp": None, "wind": None, "n": 3}]
    }


def test_rows_come_back_as_they_were_sent():
    rows = [{"carrier": "UA", "dep_delay": -3.0}, {"carrier": None, "dep_delay": 12.5}]
    assert decode_rows(json.dumps(encode_rows(rows)).encode()) == rows


def test_the_class_of_an_answer_is_the_most_probable_one():
    answer = encode_predictions(["early", "late"], np.array([[0.25, 0.75], [0.5, 0.5]]))
    assert [p["class"] for p in answer["predictions"]] == ["late", "early"]
    assert answer["predictions"][0]["probabilities"] == {"early": 0.25, "late": 0.75}
    assert decode_predictions(json.dumps(answer)) == answer["predictions"]


def test_a_model_with_another_number_of_classes_is_refused():
    with pytest.raises(ValueError, match="zip"):
        encode_predictions(["early", "late"], [[0.2, 0.3, 0.5]])


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"{}", b'{"instances": 3}', b'{"instances": [[1, 2]]}', b"nope"])
def test_what_is_not_a_request_with_rows_is_none(body):
    assert decode_rows(body) is None
    assert decode_predictions(body) is None
