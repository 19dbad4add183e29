"""The sample model of the load tests: it waits as long as a request says, and answers who it is.

A pipeline of scikit-learn's own parts, so that any KServe can load it. `{"instances": [[0.05]]}` waits 50 ms without
taking processor time, as a model does that asks something else; what limits a replica is then the replica, and not how
busy the machine is.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelyard.connections import Connections

BUCKET = "loadtests"
DIGEST = "modelyard.dev/model-digest"
Held = dict[str, Any]


def build(folder: Path, answer: str) -> None:
    """Write a model that answers `answer` to every row."""
    import joblib
    import numpy as np
    from sklearn.dummy import DummyClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    waits = FunctionTransformer(np.vectorize(time.sleep, otypes=[object]))
    says = DummyClassifier(strategy="constant", constant=answer).fit([[0.0]], [answer])
    joblib.dump(make_pipeline(waits, says), folder / "model.joblib")


def store(conn: Connections, answer: str) -> tuple[str, str]:
    """Build a model, put it into the object store, and return its address and its digest."""
    from modelyard.digest import model_digest
    from modelyard.registry.mlflow_api import object_store

    held = object_store(conn)
    if not held.exists(BUCKET):
        held.mkdir(BUCKET)
    with tempfile.TemporaryDirectory(prefix="modelyard-load-") as place:
        build(Path(place), answer)
        digest = model_digest(Path(place))
        address = f"s3://{BUCKET}/{answer}-{digest[:12]}"
        held.put_file(f"{place}/model.joblib", f"{address}/model.joblib")
    return address, digest


def manifest(
    name: str,
    namespace: str,
    model: tuple[str, str],
    *,
    annotations: dict[str, str] | None = None,
    **predictor: Any,
) -> Held:
    """An InferenceService of a stored model (address and digest); `predictor` are further fields of the predictor."""
    address, digest = model
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": name, "namespace": namespace, "annotations": {DIGEST: digest, **(annotations or {})}},
        "spec": {
            "predictor": {
                **predictor,
                "model": {"modelFormat": {"name": "sklearn"}, "protocolVersion": "v1", "storageUri": address},
            }
        },
    }
