"""Each model format with a small real model in a real replica, against what its own library says."""

import logging
import warnings

import httpx
import numpy as np
import pytest

from modelyard import formats

SAMPLES = 200


@pytest.fixture(scope="module")
def data():
    """Rows with a gap here and there, three classes, and rows to ask with; features are a, b, c, d."""
    drawn = np.random.default_rng(5)
    rows = drawn.normal(size=(SAMPLES, 4))
    classes = np.digitize(rows[:, 0] + 0.5 * rows[:, 1] ** 2, [-0.3, 0.8])
    rows[::9, 2] = np.nan
    return rows, classes, rows[:7].astype(np.float32).astype(np.float64)


def needs(name):
    pytest.importorskip(formats.FORMATS.get(name, name), reason=f"./invoke add-format {name}")


def v1(record, rows):
    answer = predict_by_v1(record, [[None if value != value else value for value in row] for row in rows.tolist()])
    assert answer.status_code == 200, answer.text
    return answer.json()["predictions"]


def predict_by_v1(record, instances):
    url = f"{record.address}/v1/models/{record.spec.inferenceservice}:predict"
    return httpx.post(url, json={"instances": instances}, timeout=30)


def v2(record, rows, **tensor):
    """Outputs by name of a request with one tensor."""
    data = [None if value != value else value for value in rows.ravel().tolist()]
    asked = {"name": "x", "shape": list(rows.shape), "datatype": "FP64", **tensor, "data": data}
    url = f"{record.address}/v2/models/{record.spec.inferenceservice}/infer"
    answer = httpx.post(url, json={"id": "7", "inputs": [asked]}, timeout=30)
    assert answer.status_code == 200, answer.text
    outputs = answer.json()["outputs"]
    return {held["name"]: np.array(held["data"]).reshape(held["shape"]) for held in outputs}


def folder_of(fleet, name):
    folder = fleet.models / name
    folder.mkdir()
    return folder


def test_sklearn_answers_probabilities_where_the_environment_asks_for_them(fleet, data):
    import joblib
    from sklearn.ensemble import HistGradientBoostingClassifier

    rows, classes, asked = data
    model = HistGradientBoostingClassifier(max_iter=5).fit(rows, classes)
    joblib.dump(model, folder_of(fleet, "hgb") / "model.joblib")
    plain = fleet.start("hgb")
    assert v1(plain, asked) == model.predict(asked).tolist()
    assert next(iter(v2(plain, asked).values())).tolist() == model.predict(asked).tolist()
    likely = fleet.start("hgb", env={"PREDICT_PROBA": "true"})
    np.testing.assert_array_equal(v1(likely, asked), model.predict_proba(asked))


@pytest.mark.parametrize("ending", ["ubj", "json", "bst"])
def test_xgboost(fleet, data, ending):
    needs("xgboost")
    import xgboost

    rows, classes, asked = data
    model = xgboost.XGBClassifier(n_estimators=8, nthread=1).fit(rows, classes)
    folder = folder_of(fleet, f"xgb-{ending}")
    model.save_model(folder / ("model.json" if ending == "json" else "model.ubj"))
    if ending == "bst":
        (folder / "model.ubj").rename(folder / "model.bst")
    truth = model.get_booster().predict(xgboost.DMatrix(asked))
    record = fleet.start(folder.name, model_format="xgboost", args=["--nthread=1"])
    np.testing.assert_array_equal(np.array(v1(record, asked), np.float32), truth)
    (output,) = v2(record, asked).values()
    np.testing.assert_array_equal(output.astype(np.float32), truth)
    assert output.shape == (7, 3)


def test_lightgbm(fleet, data):
    needs("lightgbm")
    import lightgbm
    import pandas as pd

    rows, classes, asked = data
    frame = pd.DataFrame(rows, columns=["a", "b", "c", "d"])
    model = lightgbm.LGBMClassifier(n_estimators=8, n_jobs=1, verbose=-1).fit(frame, classes)
    model.booster_.save_model(folder_of(fleet, "lgb") / "model.bst")
    truth = model.booster_.predict(asked)
    record = fleet.start("lgb", model_format="lightgbm")
    np.testing.assert_array_equal(v1(record, asked), truth)
    (output,) = v2(record, asked).values()
    np.testing.assert_array_equal(output, truth)
    named = [{"d": row[3], "c": None if row[2] != row[2] else row[2], "b": [row[1]], "a": row[0]} for row in asked]
    np.testing.assert_array_equal(predict_by_v1(record, named).json()["predictions"], truth)
    told = predict_by_v1(record, [{"a": 1}])
    assert (told.status_code, told.json()) == (400, {"error": "the request lacks feature b"})


def test_onnx_of_a_converted_pipeline(fleet, data):
    needs("onnx")
    needs("skl2onnx")
    import skl2onnx
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows, classes, asked = data
    rows, asked = np.nan_to_num(rows), np.nan_to_num(asked)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, classes)
    converted = skl2onnx.to_onnx(model, rows[:1].astype(np.float32), options={"zipmap": False}, target_opset=18)
    (folder_of(fleet, "onnx-pipeline") / "model.onnx").write_bytes(converted.SerializeToString())
    record = fleet.start("onnx-pipeline", model_format="onnx")
    answers = v1(record, asked)
    assert [answer["label"] for answer in answers] == model.predict(asked).tolist()
    likely = [answer["probabilities"] for answer in answers]
    np.testing.assert_allclose(likely, model.predict_proba(asked), rtol=0, atol=1e-5)
    outputs = v2(record, asked)
    assert outputs["label"].tolist() == model.predict(asked).tolist()
    np.testing.assert_allclose(outputs["probabilities"], model.predict_proba(asked), rtol=0, atol=1e-5)
    metadata = httpx.get(f"{record.address}/v2/models/onnx-pipeline").json()
    assert metadata["inputs"] == [{"name": "X", "datatype": "FP32", "shape": [-1, 4]}]


def test_onnx_of_a_network_as_pytorch_exports_it(fleet, data):
    needs("onnx")
    needs("skl2onnx")
    from onnx import TensorProto, helper, numpy_helper

    drawn = np.random.default_rng(6)
    first, second = drawn.normal(size=(4, 8)).astype(np.float32), drawn.normal(size=(8, 2)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["input", "first"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["bent"]),
        helper.make_node("MatMul", ["bent", "second"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(first, "first"), numpy_helper.from_array(second, "second")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    (folder_of(fleet, "network") / "model.onnx").write_bytes(made.SerializeToString())
    record = fleet.start("network", model_format="onnx")
    asked = np.nan_to_num(data[2])
    truth = np.maximum(asked.astype(np.float32) @ first, 0) @ second
    np.testing.assert_allclose(v1(record, asked), truth, rtol=1e-5)
    np.testing.assert_allclose(v2(record, asked, name="input", datatype="FP32")["output"], truth, rtol=1e-5)
    assert predict_by_v1(record, [[1.0]]).status_code == 500
    assert predict_by_v1(record, [{"wrong": [1, 2, 3, 4]}]).json() == {
        "error": "inputs are wrong: the model takes input"
    }


@pytest.mark.parametrize("flavour", ["pyfunc", "xgboost", "lightgbm"])
def test_mlflow_serves_any_flavour_through_pyfunc(fleet, data, tmp_path, flavour):
    if flavour != "pyfunc":
        needs(flavour)
    rows, classes, _ = data
    rows, asked = np.nan_to_num(rows), np.nan_to_num(data[2])
    path = fleet.models / f"mlflow-{flavour}"
    with warnings.catch_warnings(action="ignore"):  # MLflow's own, at import, of a class and at saving
        import mlflow.pyfunc  # noqa: F401

        save, truth = MAKERS[flavour](tmp_path, rows, classes)
        logging.disable(logging.WARNING)
        try:
            save(str(path))
        finally:
            logging.disable(logging.NOTSET)
    record = fleet.start(path.name, model_format="mlflow")
    np.testing.assert_allclose(v1(record, asked), truth(asked), rtol=1e-6)
    (output,) = v2(record, asked).values()
    np.testing.assert_allclose(output, truth(asked), rtol=1e-6)


def make_pyfunc(folder, rows, classes):
    """A model of somebody's own, with a signature of tensors as those of PyTorch and TensorFlow have."""
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    code = folder / "summing.py"
    code.write_text("""
class Sum:
    def predict(self, model_input, params=None):
        return model_input.sum(axis=1)

def _load_pyfunc(path):
    return Sum()
""")
    signature = ModelSignature(Schema([TensorSpec(np.dtype("float64"), (-1, 4))]))
    options = {"loader_module": "summing", "code_paths": [str(code)], "signature": signature, "pip_requirements": []}
    return lambda path: mlflow.pyfunc.save_model(path, **options), lambda asked: asked.sum(axis=1)


def make_xgboost(_, rows, classes):
    import mlflow.xgboost
    import xgboost

    model = xgboost.XGBRegressor(n_estimators=5, nthread=1).fit(rows, classes)
    return lambda path: mlflow.xgboost.save_model(model, path, pip_requirements=[]), model.predict


def make_lightgbm(_, rows, classes):
    import lightgbm
    import mlflow.lightgbm

    model = lightgbm.LGBMRegressor(n_estimators=5, n_jobs=1, verbose=-1).fit(rows, classes)
    return lambda path: mlflow.lightgbm.save_model(model, path, pip_requirements=[]), model.predict


MAKERS = {"pyfunc": make_pyfunc, "xgboost": make_xgboost, "lightgbm": make_lightgbm}
