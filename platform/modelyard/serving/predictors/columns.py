"""Rows of a request as the columns that a model's signature asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

FLOATS = {"double": np.float64, "float": np.float32}
INTEGERS = {"long": np.int64, "integer": np.int32}


class BadRow(ValueError):
    """A row does not fit the model's signature; the message says which column."""


def cast_column(name: str, kind: str, values: Sequence[Any]) -> np.ndarray:
    """A column in the type of the signature; null becomes NaN in a column of floats.

    Args:
        name: the column's name, told in errors.
        kind: an MLflow data type: double, float, long, integer, boolean, string; others stay as they are.
        values: JSON values, one a row.

    Raises:
        BadRow: a value is not of that type.
    """
    try:
        if kind in FLOATS:
            return np.array(values, dtype=FLOATS[kind])
        if kind in INTEGERS:
            return _integers(values, INTEGERS[kind])
    except (TypeError, ValueError, OverflowError) as error:
        raise BadRow(f'column "{name}" must be {kind}: {error}') from error
    if kind == "boolean" and not all(isinstance(value, bool | np.bool_) for value in values):
        raise BadRow(f'column "{name}" must be boolean')
    if kind == "string" and not all(value is None or isinstance(value, str) for value in values):
        raise BadRow(f'column "{name}" must be string or null')
    if kind == "boolean":
        return np.array(values, dtype=bool)
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _integers(values: Sequence[Any], dtype: type) -> np.ndarray:
    exact = np.array(values, dtype=np.float64)
    made: np.ndarray = np.array(values, dtype=dtype)
    if not np.array_equal(exact, made):
        raise ValueError("a value is not a whole number")
    return made


def frame_of_rows(rows: Sequence[Any], columns: Mapping[str, str]) -> pd.DataFrame:
    """V1 instances as a frame.

    Args:
        rows: dicts by column, or lists in the order of the columns.
        columns: name -> MLflow data type, in the order of the signature.

    Raises:
        BadRow: a row is neither, a column is missing, or a value is not of its column's type.
    """
    import pandas as pd

    cells: dict[str, list[Any]] = {}
    try:
        if rows and isinstance(rows[0], dict):
            for name in columns:
                cells[name] = [row[name] for row in rows]
        else:
            for number, name in enumerate(columns):
                cells[name] = [row[number] for row in rows]
    except KeyError as error:
        raise BadRow(f"an instance lacks column {error}; the model takes {', '.join(columns)}") from error
    except (TypeError, IndexError) as error:
        raise BadRow(f"an instance must be an object of columns or a list of {len(columns)} values: {error}") from error
    return pd.DataFrame({name: cast_column(name, kind, cells[name]) for name, kind in columns.items()}, copy=False)


def frame_of_tensors(tensors: Mapping[str, Sequence[Any]], columns: Mapping[str, str]) -> pd.DataFrame:
    """V2 inputs, one named tensor a column, as a frame.

    Raises:
        BadRow: a tensor is missing, the lengths differ, or a value is not of its column's type.
    """
    import pandas as pd

    missing = [name for name in columns if name not in tensors]
    if missing:
        raise BadRow(f"the request lacks tensor {', '.join(missing)}; the model takes {', '.join(columns)}")
    lengths = {len(tensors[name]) for name in columns}
    if len(lengths) > 1:
        raise BadRow(f"tensors differ in length: {', '.join(map(str, sorted(lengths)))}")
    return pd.DataFrame({name: cast_column(name, kind, tensors[name]) for name, kind in columns.items()}, copy=False)
