"""The fixture as somebody else's tests use it: from a conftest of their own, with a model of their own."""

import subprocess
import sys

import psutil

CONFTEST = "from modelyard.testing import yard\n"
TEST = """
import joblib
import numpy as np
import yaml
from sklearn.linear_model import LogisticRegression

ISVC = {
    "apiVersion": "serving.kserve.io/v1beta1",
    "kind": "InferenceService",
    "metadata": {"name": "signs"},
    "spec": {"predictor": {"model": {"modelFormat": {"name": "sklearn"}}}},
}


def test_a_model_is_deployed_asked_and_measured(yard, tmp_path):
    model = LogisticRegression().fit(np.array([[-2.0], [-1.0], [1.0], [2.0]]), ["minus", "minus", "plus", "plus"])
    (tmp_path / "model").mkdir()
    joblib.dump(model, tmp_path / "model" / "model.joblib")
    address = yard.upload(tmp_path / "model", "s3://models/signs")
    ISVC["spec"]["predictor"]["model"]["storageUri"] = address
    (tmp_path / "isvc.yaml").write_text(yaml.safe_dump(ISVC))
    held = yard.deploy(tmp_path / "isvc.yaml")
    assert held["status"]["url"].startswith("http://signs.default.")
    assert yard.predict("signs", [[-3.0], [3.0]]) == ["minus", "plus"]
    assert yard.metrics("up") and yard.environment["KUBECONFIG"]
    print("PID", yard.conn.layout.yard_id)
"""


def test_a_yard_is_up_for_the_session_and_gone_after_it(tmp_path):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_mine.py").write_text(TEST)
    argv = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    mark = done.stdout.split("PID ")[1].split()[0]
    left = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("MODELYARD_YARD") == mark:
                left.append(process)
        except psutil.Error:
            continue
    assert left == []
