import numpy as np
import pandas as pd
import pytest

from modelyard.connections import REPOSITORY

CLASSES = ["early", "late", "on_time"]
TRUTH = pd.Series(["early", "early", "late", "on_time"])
PROBABILITIES = np.array([[0.8, 0.1, 0.1], [0.2, 0.2, 0.6], [0.1, 0.5, 0.4], [0.25, 0.25, 0.5]])


@pytest.fixture(scope="module")
def evaluate():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(REPOSITORY / "sample-model"))
        import evaluate

        yield evaluate


def test_figures_of_four_flights_counted_by_hand(evaluate):
    figures = evaluate.measure(TRUTH, PROBABILITIES, CLASSES)
    assert figures["accuracy"] == 3 / 4
    assert figures["recall_early"] == 1 / 2
    assert figures["precision_early"] == 1
    assert figures["recall_on_time"] == 1
    assert figures["precision_on_time"] == 1 / 2
    assert figures["recall_late"] == figures["f1_late"] == 1
    assert figures["macro_f1"] == pytest.approx((2 / 3 + 1 + 2 / 3) / 3)
    assert figures["log_loss"] == pytest.approx(-np.log([0.8, 0.2, 0.5, 0.5]).mean())


def test_baselines_take_the_majority_from_what_was_trained_on(evaluate):
    trained_on = pd.Series(["on_time", "on_time", "early"])
    by_rule = pd.Series(["early", "on_time", "late", "on_time"])
    assert evaluate.measure_baselines(trained_on, TRUTH, by_rule) == {
        "baseline_majority_accuracy": 1 / 4,
        "baseline_rule_accuracy": 3 / 4,
    }


def test_the_confusion_matrix_has_truth_in_rows(evaluate):
    matrix = evaluate.confusion(TRUTH, evaluate.most_probable(PROBABILITIES, CLASSES), CLASSES)
    assert matrix["counts"] == [[1, 0, 1], [0, 1, 0], [0, 0, 1]]


def test_the_drawing_is_a_picture(evaluate, tmp_path):
    matrix = evaluate.confusion(TRUTH, evaluate.most_probable(PROBABILITIES, CLASSES), CLASSES)
    path = tmp_path / "matrix.png"
    evaluate.draw_confusion(matrix, "four flights").savefig(path)
    assert path.read_bytes().startswith(b"\x89PNG")
