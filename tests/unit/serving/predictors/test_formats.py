"""Rows and tensors on their way to a model, and what is said of a format whose framework is missing."""

import sys

import numpy as np
import pandas as pd
import pytest
from kserve import InferInput, InferRequest
from kserve.errors import InvalidInput

from modelyard import formats
from modelyard.serving import predictors
from modelyard.serving.predictors.boosters import matrix_of, only_file
from modelyard.serving.predictors.columns import BadRow
from modelyard.serving.predictors.tensors import arrays_of_rows, arrays_of_tensors, named_arrays, plain_list

NAN = np.nan


def request(**tensors):
    return InferRequest(
        "m", [InferInput(n, list(np.shape(v)), "FP64", np.ravel(v).tolist()) for n, v in tensors.items()]
    )


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"instances": [[1, None], [3, 4]]}, [[1, NAN], [3, 4]]),
        ({"instances": [{"b": 2, "a": 1}, {"a": [3], "b": None}]}, [[1, 2], [3, NAN]]),
        (b'{"instances": [[1, 2]]}', [[1, 2]]),
        (request(x=[[1.0, 2.0], [3.0, 4.0]]), [[1, 2], [3, 4]]),
        (request(b=[2.0, 4.0], a=[1.0, 3.0]), [[1, 2], [3, 4]]),
    ],
)
def test_rows_become_a_matrix_in_the_order_of_the_models_features(payload, expected):
    np.testing.assert_array_equal(matrix_of(payload, ["a", "b"]), np.array(expected, dtype=float))


@pytest.mark.parametrize(
    ("payload", "columns", "told"),
    [
        ({"instances": [{"a": 1}]}, ["a", "b"], "lacks feature b"),
        ({"instances": [{"a": 1}]}, None, "send each row as a list"),
        (request(a=[1.0], c=[1.0]), ["a", "b"], "lacks feature b"),
        ({"instances": 5}, None, "to be a list"),
    ],
)
def test_what_does_not_fit_the_models_features_is_the_clients_error(payload, columns, told):
    with pytest.raises(InvalidInput, match=told):
        matrix_of(payload, columns)


@pytest.mark.parametrize("names", [[], ["a.bst", "b.bst"], ["model.pkl"]])
def test_a_folder_holds_one_file_of_its_format(tmp_path, names):
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(FileNotFoundError, match=r"one file \*\.bst, \*\.ubj is needed .* found"):
        only_file(tmp_path, (".bst", ".ubj"))


def test_instances_become_the_tensors_of_a_signature():
    unnamed, one, two = {"": np.float32}, {"x": np.int64}, {"x": np.float32, "y": np.int64}
    assert arrays_of_rows([[1, 2]], unnamed).dtype == np.float32
    np.testing.assert_array_equal(arrays_of_rows([[1], [2]], one)["x"], [[1], [2]])
    held = arrays_of_rows([{"x": [1.5], "y": 2}, {"x": [2.5], "y": 3}], two)
    np.testing.assert_array_equal(held["x"], [[1.5], [2.5]])
    np.testing.assert_array_equal(held["y"], [2, 3])
    for bad in ([{"x": [1]}], [[1, 2]], [{"x": [1], "y": "a"}]):
        with pytest.raises(BadRow):
            arrays_of_rows(bad, two)


def test_tensors_of_a_request_are_told_apart_by_name_unless_there_is_only_one():
    one = arrays_of_tensors({"whatever": np.ones((1, 2))}, {"": np.float32})
    assert one.dtype == np.float32
    assert arrays_of_tensors({"whatever": np.ones(1)}, {"x": np.float32}).keys() == {"x"}
    with pytest.raises(BadRow, match="lacks tensor y"):
        arrays_of_tensors({"x": np.ones(1), "z": np.ones(1)}, {"x": np.float32, "y": np.float32})


@pytest.mark.parametrize(
    ("outputs", "plain", "named"),
    [
        (np.array([1.5, 2.5]), [1.5, 2.5], {"predictions": [1.5, 2.5]}),
        (pd.Series([1, 2]), [1, 2], {"predictions": [1, 2]}),
        ([1, 2], [1, 2], {"predictions": [1, 2]}),
        (pd.DataFrame({"a": [1], "b": [2]}), [{"a": 1, "b": 2}], {"a": [1], "b": [2]}),
        ({"a": np.array([1, 2]), "b": np.array([[3], [4]])}, [{"a": 1, "b": [3]}, {"a": 2, "b": [4]}], None),
    ],
)
def test_predictions_of_any_kind_become_json_and_tensors(outputs, plain, named):
    assert plain_list(outputs) == plain
    if named:
        assert {name: values.tolist() for name, values in named_arrays(outputs).items()} == named


@pytest.mark.parametrize(("format_name", "module"), formats.FORMATS.items())
def test_a_missing_framework_is_named_with_the_command_that_installs_it(tmp_path, monkeypatch, format_name, module):
    monkeypatch.setitem(sys.modules, module, None)  # as Python sees a module that is not installed
    monkeypatch.delitem(sys.modules, predictors.FORMATS[format_name][0], raising=False)
    with pytest.raises(ModuleNotFoundError, match=f"'{module}': ./invoke add-format {format_name}"):
        predictors.load_predictor(format_name, "m", tmp_path)


def test_another_missing_module_is_told_in_pythons_words(tmp_path):
    (tmp_path / "model.pkl").write_bytes(b"clibrary_that_is_not_there\nModel\n.")
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'library_that_is_not_there'$"):
        predictors.load_predictor("sklearn", "m", tmp_path)
