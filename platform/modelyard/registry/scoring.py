"""Answers of a registered version, given without any model server: for the gate and for the canary's judge."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.codec import Prediction, encode_predictions
from modelyard.connections import Connections
from modelyard.digest import model_digest
from modelyard.errors import ModelChanged, VersionUnusable
from modelyard.registry.mlflow_api import download_folder
from modelyard.registry.models import MODEL, ModelVersion, as_version

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory. `columns` are those it asks for (True: a number), `classes` those it answers, in order."""

    pyfunc: Any
    columns: Mapping[str, bool]
    classes: tuple[str, ...]

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Probabilities, one row a row of the frame and one column a class.

        One thread: two spin on a busy machine, and a call took twenty times as long.
        """
        import numpy as np
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):
            return np.asarray(self.pyfunc.predict(frame))


def score(
    conn: Connections, version: ModelVersion | str | int, rows: Sequence[Mapping[str, Any]], *, model: str = MODEL
) -> list[Prediction]:
    """What a registered version answers to rows as a client sends them, in the codec's form.

    Args:
        conn: the yard.
        version: a version, its number, or an alias.
        rows: features by column; missing values are None.
        model: registered model, where `version` is not a ModelVersion.

    Raises:
        YardError: no such version, its files are not those that were registered, or it does not load.
    """
    loaded = load(conn, as_version(conn, version, model))
    if not rows:
        return []
    return encode_predictions(loaded.classes, loaded.predict(frame_of(rows, loaded.columns)))["predictions"]


def frame_of(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, bool]) -> pd.DataFrame:
    """Rows as the frame that a model's signature asks for; a column that a row lacks is missing there."""
    import pandas as pd

    held = {
        name: pd.Series([row.get(name) for row in rows], dtype="float64" if is_number else object)
        for name, is_number in columns.items()
    }
    return pd.DataFrame(held)


def load(conn: Connections, version: ModelVersion) -> LoadedModel:
    """Load a version, after its files were found to be those that were registered; kept for the next call.

    Raises:
        ModelChanged, VersionUnusable: the files differ from the registered digest, or MLflow cannot load them.
    """
    return _load(conn, version.storage_uri, version.digest, f"{version.name} version {version.version}")


@functools.lru_cache(maxsize=4)
def _load(conn: Connections, uri: str, digest: str, told: str) -> LoadedModel:
    from mlflow import pyfunc
    from mlflow.exceptions import MlflowException

    with tempfile.TemporaryDirectory(prefix="modelyard-model-") as folder:
        download_folder(conn, uri, Path(folder))
        if (found := model_digest(Path(folder))) != digest:
            raise ModelChanged(
                f"the files of {told} have digest {found[:12]}: {digest[:12]} was registered",
                detail=uri,
                next_command="./invoke train",
            )
        try:
            loaded = pyfunc.load_model(folder, suppress_warnings=True)
        except (MlflowException, ImportError, TypeError, ValueError) as error:
            raise VersionUnusable(
                f"{told} does not load", detail=str(error)[:500], next_command="./invoke train"
            ) from error
    signature = loaded.metadata.signature
    if signature is None or not signature.inputs or not signature.outputs:
        raise VersionUnusable(f"{told} has no signature", allowed="columns in, one double a class out")
    return LoadedModel(
        pyfunc=loaded,
        columns={column.name: column.type.name != "string" for column in signature.inputs.inputs},
        classes=tuple(column.name for column in signature.outputs.inputs),
    )
