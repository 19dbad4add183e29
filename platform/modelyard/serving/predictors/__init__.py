"""Model formats: each loads a folder into a `kserve.Model`; nothing heavy is imported before one is asked for."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kserve import Model

FORMATS = {
    "mlflow": ("modelyard.serving.predictors.mlflow", "MlflowModel"),
    "sklearn": ("modelyard.serving.predictors.sklearn", "SklearnModel"),
    "xgboost": ("modelyard.serving.predictors.xgboost", "XgboostModel"),
    "lightgbm": ("modelyard.serving.predictors.lightgbm", "LightgbmModel"),
    "onnx": ("modelyard.serving.predictors.onnx", "OnnxModel"),
}
"""Names of `modelFormat` that a model server can load -> module and class."""
THREADED = frozenset({"xgboost", "lightgbm", "onnx"})
"""Formats whose models are told how many threads to use."""
ADDED_BY = {"xgboost": "xgboost", "lightgbm": "lightgbm", "onnxruntime": "onnx"}
"""Module that may be missing -> the format with which it is installed."""
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


def load_predictor(model_format: str, name: str, folder: Path, *, threads: int = 1) -> Model:
    """The model of a folder, loaded and ready to predict.

    Raises:
        ValueError: no such format.
        ModuleNotFoundError: a module is missing; of a format's framework the command is named that installs it.
        Exception: whatever the format's own loader raises for a folder that it cannot load.
    """
    if model_format not in FORMATS:
        raise ValueError(f"model format {model_format!r} is not one of {', '.join(FORMATS)}")
    module, kind = FORMATS[model_format]
    options = {"threads": threads} if model_format in THREADED else {}
    try:
        return getattr(importlib.import_module(module), kind)(name, folder, **options)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in ADDED_BY:
            raise
        told = f"No module named {package!r}: ./invoke add-format {ADDED_BY[package]}"
        raise ModuleNotFoundError(told, name=package) from error
