import pytest

from modelyard.errors import YardError
from modelyard.registry.addresses import storage_uri


@pytest.mark.parametrize(
    ("mlflow_says", "object_store"),
    [
        ("mlflow-artifacts:/1/models/m-0a/artifacts", "s3://mlflow/1/models/m-0a/artifacts"),
        ("mlflow-artifacts://127.0.0.1:7602/1/0a/artifacts/", "s3://mlflow/1/0a/artifacts"),
        ("http://127.0.0.1:7602/api/2.0/mlflow-artifacts/artifacts/1/0a", "s3://mlflow/1/0a"),
        ("s3://elsewhere/1/models/m-0a", "s3://elsewhere/1/models/m-0a"),
    ],
)
def test_an_artifact_address_becomes_one_that_a_model_server_can_read(mlflow_says, object_store):
    assert storage_uri(mlflow_says) == object_store


@pytest.mark.parametrize("local", ["/tmp/mlruns/0/a", "file:///tmp/mlruns", "mlflow-artifacts:/", "s3:///x", ""])
def test_an_address_that_only_one_machine_can_read_is_refused(local):
    with pytest.raises(YardError, match="no address in the object store"):
        storage_uri(local)
