"""Model formats: each loads a model's folder into a `kserve.Model`; the control plane never imports what is heavy here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kserve import Model

FORMATS = ("mlflow", "sklearn")
"""Names of `modelFormat` that a model server can load."""


def preload() -> None:
    """Import everything that the formats need, and predict nothing.

    A process that has run an OpenMP loop makes its forked children hang in theirs.
    """
    import kserve.model_server
    import mlflow.pyfunc
    import mlflow.sklearn
    import pandas as pd
    import skops.io
    import sklearn.compose
    import sklearn.ensemble
    import sklearn.pipeline  # noqa: F401

    from modelyard.serving.predictors import mlflow as _mlflow
    from modelyard.serving.predictors import sklearn as _sklearn

    pd.DataFrame({"warm": [0.0]})
    _ = (_mlflow, _sklearn)


def load_predictor(model_format: str, name: str, folder: Path) -> Model:
    """The model of a folder, loaded and ready to predict.

    Raises:
        ValueError: no such format.
        Exception: whatever the format's own loader raises for a folder that it cannot load.
    """
    if model_format == "mlflow":
        from modelyard.serving.predictors.mlflow import MlflowModel

        return MlflowModel(name, folder)
    if model_format == "sklearn":
        from modelyard.serving.predictors.sklearn import SklearnModel

        return SklearnModel(name, folder)
    raise ValueError(f"model format {model_format!r} is not one of {', '.join(FORMATS)}")
