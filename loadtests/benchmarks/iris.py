"""A small real model for benchmarks of what stands around a model: logistic regression on iris, as format sklearn."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelyard.connections import Connections

BUCKET = "benchmarks"
NAME = "iris"
BODY = b'{"instances": [[6.8, 2.8, 4.8, 1.4]]}'
PATH = f"/v1/models/{NAME}:predict"


def upload(conn: Connections) -> str:
    """Train the model, put it into the yard's object store, and return its s3 address."""
    import joblib
    import s3fs
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    flowers = load_iris()
    store = s3fs.S3FileSystem(
        key=conn.credentials.s3_key_id,
        secret=conn.credentials.s3_secret,
        endpoint_url=conn.address("objectstore"),
        client_kwargs={"region_name": "us-east-1"},
        skip_instance_cache=True,
    )
    store.makedirs(BUCKET, exist_ok=True)
    with store.open(f"{BUCKET}/{NAME}/model.joblib", "wb") as out:
        joblib.dump(LogisticRegression(max_iter=500).fit(flowers.data, flowers.target), out)
    return f"s3://{BUCKET}/{NAME}"


def deploy(conn: Connections, *, namespace: str = "default", is_logged: bool = False) -> None:
    """Apply the InferenceService, with a payload logger where `is_logged`, and wait until it is ready."""
    from modelyard.kube import InferenceServices

    model = {"modelFormat": {"name": "sklearn"}, "protocolVersion": "v1", "storageUri": upload(conn)}
    logger = {"logger": {"mode": "all", "url": conn.logger_url}} if is_logged else {}
    services = InferenceServices(conn.kubeconfig, namespace)
    applied = services.apply(
        {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {"name": NAME, "namespace": namespace},
            "spec": {"predictor": {"minReplicas": 1, "model": model, **logger}},
        }
    )
    services.wait_ready(NAME, generation=applied["metadata"]["generation"])
