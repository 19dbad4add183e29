"""MLflow's client, and its artifacts straight from the object store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.connections import Connections
from modelyard.errors import DataMissing, RegistryError, ServiceUnreachable

if TYPE_CHECKING:
    from mlflow import MlflowClient

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # a server that is down is told in seconds, not minutes


def mlflow_client(conn: Connections) -> MlflowClient:
    """A client of the yard's MLflow, whatever the environment says."""
    from mlflow import MlflowClient

    address = conn.address("mlflow")
    return MlflowClient(tracking_uri=address, registry_uri=address)


@contextmanager
def mlflow_errors(what: str, *, next_command: str) -> Iterator[None]:
    """Turn MLflow's errors into one that a person may see.

    Raises:
        RegistryError, ServiceUnreachable: MLflow refused, or does not answer.
    """
    from mlflow.exceptions import MlflowException, RestException

    try:
        yield
    except RestException as error:  # MLflow answered, and said no
        raise RegistryError(what, detail=str(error)[:300], next_command=next_command) from error
    except MlflowException as error:
        if "API request" in str(error):
            raise ServiceUnreachable(
                "MLflow does not answer", detail=str(error)[:300], next_command="./invoke why mlflow"
            ) from error
        raise RegistryError(what, detail=str(error)[:300], next_command=next_command) from error


def root_of(error: BaseException) -> str:
    """What the error at the bottom says: a library's own tells every layer in one long line."""
    while below := error.__cause__ or error.__context__:
        error = below
    return str(error)[:300]


def object_store(conn: Connections) -> Any:
    """The yard's object store as a file system (s3fs)."""
    import s3fs

    return s3fs.S3FileSystem(
        key=conn.credentials.s3_key_id,
        secret=conn.credentials.s3_secret,
        endpoint_url=conn.address("objectstore"),
        client_kwargs={"region_name": "us-east-1"},
        skip_instance_cache=True,
        use_listings_cache=False,
    )


def download_folder(conn: Connections, uri: str, folder: Path) -> Path:
    """Fetch everything under an `s3://` address into a folder.

    Raises:
        DataMissing: there is nothing at that address.
    """
    prefix = uri.removeprefix("s3://").rstrip("/") + "/"
    store = object_store(conn)
    keys = [key for key in store.find(prefix) if not key.endswith("/")]
    if not keys:
        raise DataMissing(f"there is nothing at {uri}", next_command="./invoke why")
    for key in keys:
        (folder / key.removeprefix(prefix)).parent.mkdir(parents=True, exist_ok=True)
    store.get(keys, [str(folder / key.removeprefix(prefix)) for key in keys])
    return folder
