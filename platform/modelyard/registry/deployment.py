"""What an alias or a version deploys: an InferenceService, ready to be applied to any KServe."""

from __future__ import annotations

from typing import Any

from modelyard.connections import Connections
from modelyard.errors import OptionInvalid, VersionUnusable
from modelyard.registry.models import ModelVersion, find_version
from modelyard.settings import load_settings

REGISTERED_MODEL = "modelyard.dev/registered-model"
MODEL_VERSION = "modelyard.dev/model-version"
RUN_ID = "modelyard.dev/run-id"
DATA_MD5 = "modelyard.dev/data-md5"
MODEL_DIGEST = "modelyard.dev/model-digest"


def manifest(
    conn: Connections,
    model: str,
    alias_or_version: str,
    *,
    name: str = "flights",
    canary_percent: int | None = None,
    min_replicas: int = 1,
    namespace: str | None = None,
) -> dict[str, Any]:
    """The InferenceService of a registered version.

    Args:
        conn: the yard whose monitor gets the payloads.
        model: registered model.
        alias_or_version: `production`, `@staging` or a number.
        name: of the InferenceService.
        canary_percent: percent of the traffic for this version, the rest stays where it is; None for all of it.
        min_replicas: replicas that are always there.
        namespace: of the InferenceService; the setting `namespace` where it is None.

    Raises:
        RegistryError, VersionUnusable: no such version, or it was not registered through this yard and has no digest.
    """
    version = find_version(conn, model, alias_or_version)
    if not version.digest:
        raise VersionUnusable(
            f"{model} version {version.version} has no digest: it was not registered by modelyard",
            allowed="a version that `./invoke train` registered",
            next_command="./invoke train",
        )
    return build_manifest(
        version,
        logger_url=conn.logger_url,
        name=name,
        namespace=namespace or load_settings().namespace,
        canary_percent=canary_percent,
        min_replicas=min_replicas,
    )


def build_manifest(
    version: ModelVersion,
    *,
    logger_url: str,
    name: str,
    namespace: str,
    canary_percent: int | None = None,
    min_replicas: int = 1,
) -> dict[str, Any]:
    """The InferenceService of a version, as KServe's v1beta1 wants it.

    Raises:
        OptionInvalid: the canary's share is not a percentage.
    """
    if canary_percent is not None and not 0 <= canary_percent <= 100:
        raise OptionInvalid(
            f"canary traffic is {canary_percent} percent",
            allowed="0 to 100",
            next_command="./invoke canary --percent 10",
        )
    predictor: dict[str, Any] = {
        "minReplicas": min_replicas,
        "logger": {"mode": "all", "url": logger_url, "metadataAnnotations": [MODEL_VERSION, RUN_ID]},
        "model": {
            "modelFormat": {"name": "mlflow"},
            "protocolVersion": "v1",
            "storageUri": version.storage_uri,
        },
    }
    if canary_percent is not None:
        predictor["canaryTrafficPercent"] = canary_percent
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "annotations": {
                REGISTERED_MODEL: version.name,
                MODEL_VERSION: version.version,
                RUN_ID: version.run_id,
                DATA_MD5: version.data_md5,
                MODEL_DIGEST: version.digest,
            },
        },
        "spec": {"predictor": predictor},
    }
