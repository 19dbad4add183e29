"""Registered models and their versions, with the facts that make a version trustworthy."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelyard.connections import Connections
from modelyard.digest import model_digest
from modelyard.errors import VersionUnusable
from modelyard.registry.addresses import storage_uri
from modelyard.registry.mlflow_api import download_folder, mlflow_client, mlflow_errors

MODEL = "flights"
DIGEST_TAG = "modelyard.dev/model-digest"
GATE_TAG = "modelyard.dev/gate"


@dataclass(frozen=True)
class ModelVersion:
    """A registered version of a model.

    Attributes:
        name: of the registered model.
        version: "1", "2", ...
        run_id: of the MLflow run that trained it.
        storage_uri: `s3://` address of the model's folder.
        digest: of that folder when it was registered (`modelyard.digest`).
        data_version: name of the data version, "v1".
        data_md5: DVC's md5 of the data.
        data_url: `s3://` address of the data.
        git_commit: of the workspace, when it was trained.
        accuracy: on held-out flights, as its run logged it; None where it logged none.
        aliases: that point at it.
        gate: "passed", "refused", or "" where the gate was not asked.
    """

    name: str
    version: str
    run_id: str
    storage_uri: str
    digest: str
    data_version: str = ""
    data_md5: str = ""
    data_url: str = ""
    git_commit: str = ""
    accuracy: float | None = None
    aliases: tuple[str, ...] = ()
    gate: str = ""


def register(conn: Connections, run_id: str, *, model: str = MODEL) -> ModelVersion:
    """Register the model of a run; a run that is registered already keeps its version.

    The digest is taken here, once, from the artifacts in the object store: what is deployed later must be this.

    Raises:
        RegistryError, VersionUnusable: MLflow has no such run, or the run logged no model.
    """
    client = mlflow_client(conn)
    with mlflow_errors(f"run {run_id} could not be registered as {model}", next_command="./invoke train"):
        run = client.get_run(run_id)
        logged = run.outputs.model_outputs if run.outputs else []
        if not logged:
            raise VersionUnusable(f"run {run_id} logged no model", next_command="./invoke train")
        _ensure_model(client, model)
        known = [v for v in client.search_model_versions(f"name = '{model}'") if v.run_id == run_id]
        if known and DIGEST_TAG in known[0].tags:
            return _described(client, client.get_model_version(model, known[0].version))
        uri = storage_uri(client.get_logged_model(logged[0].model_id).artifact_location)
        digest = digest_of(conn, uri)
        made = (
            known[0]
            if known
            else client.create_model_version(
                model, f"models:/{logged[0].model_id}", run_id, model_id=logged[0].model_id, await_creation_for=0
            )
        )
        client.set_model_version_tag(model, made.version, DIGEST_TAG, digest)
        return _described(client, client.get_model_version(model, made.version))


def find_version(conn: Connections, model: str, alias_or_version: str) -> ModelVersion:
    """A version by its number or an alias (`3`, `production`, `@production`).

    Raises:
        YardError: there is none; the message names what there is.
    """
    client = mlflow_client(conn)
    wanted = str(alias_or_version).removeprefix("@")
    with mlflow_errors(f"registered model {model} has no version or alias {wanted!r}", next_command="./invoke lineage"):
        if wanted.isdigit():
            found = client.get_model_version(model, wanted)
        else:
            found = client.get_model_version_by_alias(model, wanted)
        return _described(client, client.get_model_version(model, found.version))


def list_versions(conn: Connections, model: str) -> list[ModelVersion]:
    """Every version of a model, oldest first; none where the model is not registered."""
    client = mlflow_client(conn)
    with mlflow_errors(f"versions of {model} could not be listed", next_command="./invoke status"):
        found = client.search_model_versions(f"name = '{model}'")
        numbers = sorted(int(version.version) for version in found)
        return [_described(client, client.get_model_version(model, str(number))) for number in numbers]


def as_version(conn: Connections, version: ModelVersion | str | int, model: str = MODEL) -> ModelVersion:
    """A version, given as such or by number or alias."""
    return version if isinstance(version, ModelVersion) else find_version(conn, model, str(version))


def digest_of(conn: Connections, uri: str) -> str:
    """Digest of the model's folder at an `s3://` address, downloaded for it."""
    with tempfile.TemporaryDirectory(prefix="modelyard-digest-") as folder:
        return model_digest(download_folder(conn, uri, Path(folder)))


def _ensure_model(client: Any, model: str) -> None:
    if not client.search_registered_models(f"name = '{model}'"):
        client.create_registered_model(model, description="Class of arrival of a flight, known at push-back")


def _described(client: Any, held: Any) -> ModelVersion:
    run = client.get_run(held.run_id)
    tags = run.data.tags
    located = client.get_logged_model(held.model_id or held.source.removeprefix("models:/")).artifact_location
    return ModelVersion(
        name=held.name,
        version=str(held.version),
        run_id=held.run_id,
        storage_uri=storage_uri(located),
        digest=held.tags.get(DIGEST_TAG, ""),
        data_version=tags.get("data.version", ""),
        data_md5=tags.get("data.md5", ""),
        data_url=tags.get("data.url", ""),
        git_commit=tags.get("git.commit", ""),
        accuracy=run.data.metrics.get("accuracy"),
        aliases=tuple(sorted(held.aliases)),
        gate=held.tags.get(GATE_TAG, ""),
    )
