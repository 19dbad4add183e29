"""From MLflow's artifact address to the object store's: the only place that knows both."""

from __future__ import annotations

from urllib.parse import urlsplit

from modelyard.errors import VersionUnusable

BUCKET = "mlflow"
"""The bucket that MLflow keeps its artifacts in (`--artifacts-destination s3://mlflow`)."""

PROXY_PATH = "/api/2.0/mlflow-artifacts/artifacts/"


def storage_uri(artifact_uri: str) -> str:
    """The `s3://` address of what MLflow calls by `artifact_uri`.

    Args:
        artifact_uri: `mlflow-artifacts:/1/models/m-.../artifacts`, with or without a host, the same through the
            server's http path, or an `s3://` address, which stays as it is.

    Raises:
        VersionUnusable: an address of another kind, such as a local folder: no model server could read it.
    """
    parts = urlsplit(artifact_uri)
    if parts.scheme == "s3" and parts.netloc:
        return artifact_uri
    if parts.scheme == "mlflow-artifacts" and parts.path.strip("/"):
        return f"s3://{BUCKET}/{parts.path.strip('/')}"
    if parts.scheme in ("http", "https") and parts.path.startswith(PROXY_PATH):
        return f"s3://{BUCKET}/{parts.path.removeprefix(PROXY_PATH).strip('/')}"
    raise VersionUnusable(
        f"artifacts at {artifact_uri!r} have no address in the object store",
        allowed="mlflow-artifacts:/... or s3://...: log the run again where the yard's variables are set",
        next_command='eval "$(./invoke env)"',
    )
