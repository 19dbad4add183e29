"""What XGBoost and LightGBM have in common: one file of a folder, and rows as a matrix of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from kserve import InferRequest
from kserve.errors import InvalidInput

from modelyard.serving.predictors.rows import instances_of


def only_file(folder: Path, extensions: tuple[str, ...]) -> Path:
    """The one file of a model's folder with one of these endings, as KServe's servers look for it.

    Raises:
        FileNotFoundError: there is none, or more than one.
    """
    found = sorted(path for path in folder.iterdir() if path.is_file() and path.name.endswith(extensions))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise FileNotFoundError(f"one file *{', *'.join(extensions)} is needed in the model's folder: found {names}")
    return found[0]


def matrix_of(payload: Any, columns: Sequence[str] | None) -> np.ndarray:
    """Rows of a V1 or V2 request as float64, shape (rows, features); null becomes NaN.

    Args:
        payload: V1 rows are lists, or objects by feature; V2 is one tensor, or one a feature.
        columns: the model's features in order, None where it does not know their names.

    Raises:
        InvalidInput: a feature is missing, or the model has no names.
        ValueError: a value is no number, or rows differ in length.
    """
    if isinstance(payload, InferRequest):
        tensors = {tensor.name: tensor.as_numpy() for tensor in payload.inputs}
        if len(tensors) == 1:
            return np.asarray(next(iter(tensors.values())), dtype=np.float64)
        columned = [_feature(tensors, name).ravel() for name in _named(columns)]
        return np.stack([np.asarray(column, dtype=np.float64) for column in columned], axis=1)
    rows = instances_of(payload)
    if rows and isinstance(rows[0], dict):
        rows = [[_scalar(_feature(row, name)) for name in _named(columns)] for row in rows]
    return np.array(rows, dtype=np.float64)


def _named(columns: Sequence[str] | None) -> Sequence[str]:
    if columns is None:
        raise InvalidInput("the model does not know the names of its features: send each row as a list")
    return columns


def _feature(held: dict[str, Any], name: str) -> Any:
    if name not in held:
        raise InvalidInput(f"the request lacks feature {name}")
    return held[name]


def _scalar(value: Any) -> Any:
    """KServe's rows of a frame have each value in a list of one."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value
