"""Model formats: each loads a folder into a `kserve.Model`; nothing heavy is imported before one is asked for."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kserve import Model

FORMATS = ("mlflow", "sklearn")
"""Names of `modelFormat` that a model server can load."""
PRELOADED = (
    "kserve.model_server",
    "mlflow.sklearn",
    "modelyard.serving.predictors.mlflow",
    "modelyard.serving.predictors.sklearn",
    "skops.io",
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.pipeline",
)
"""What a warm parent imports before its first replica."""


def preload() -> None:
    """Import everything that the formats need, and predict nothing.

    A process that has run an OpenMP loop makes its forked children hang in theirs.
    """
    for module in PRELOADED:
        importlib.import_module(module)


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
