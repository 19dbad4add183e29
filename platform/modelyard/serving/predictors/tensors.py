"""Between V2 tensors, numpy and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from kserve import InferInput, InferOutput

from modelyard.serving.predictors.columns import BadRow

DATATYPES = {"f8": "FP64", "f4": "FP32", "i8": "INT64", "i4": "INT32", "b1": "BOOL"}


def tensor_values(tensor: InferInput) -> list[Any]:
    """A tensor of one column as a list; BYTES become str, null stays None."""
    held = tensor.data
    if tensor.datatype != "BYTES" and isinstance(held, list):
        return held
    values = np.asarray(tensor.as_numpy()).ravel().tolist()
    return [value.decode() if isinstance(value, bytes) else value for value in values]


def output_tensor(name: str, values: np.ndarray) -> InferOutput:
    """An output of a V2 answer; strings go as BYTES."""
    datatype = DATATYPES.get(values.dtype.str[1:], "BYTES")
    output = InferOutput(name=name, shape=list(values.shape), datatype=datatype)
    if datatype == "BYTES":
        output.data = [str(value) for value in values.ravel()]
    else:
        output.set_data_from_numpy(values, binary_data=False)
    return output


def plain_list(outputs: Any) -> list[Any]:
    """Predictions of any kind as what JSON can hold: rows of a frame, or of arrays by name, become objects."""
    if isinstance(outputs, pd.DataFrame):
        return outputs.to_dict(orient="records")
    if isinstance(outputs, Mapping):
        columns = [np.asarray(values).tolist() for values in outputs.values()]
        return [dict(zip(outputs, row, strict=True)) for row in zip(*columns, strict=True)]
    if isinstance(outputs, pd.Series | np.ndarray):
        return outputs.tolist()
    return list(outputs)


def named_arrays(outputs: Any) -> dict[str, np.ndarray]:
    """Predictions of any kind as arrays by name; without names it is one, `predictions`."""
    if isinstance(outputs, pd.DataFrame | Mapping):
        return {str(name): np.asarray(outputs[name]) for name in outputs}
    return {"predictions": np.asarray(outputs)}


def arrays_of_rows(rows: list[Any], types: Mapping[str, np.dtype]) -> Any:
    """V1 instances as the model's tensors: an array where the only one has no name, else arrays by name.

    Raises:
        BadRow: an instance lacks a tensor, or its values do not fit.
    """
    try:
        if list(types) == [""]:
            return np.array(rows, dtype=types[""])
        if len(types) == 1 and not (rows and isinstance(rows[0], dict)):
            return {name: np.array(rows, dtype=kind) for name, kind in types.items()}
        return {name: np.array([row[name] for row in rows], dtype=kind) for name, kind in types.items()}
    except KeyError as error:
        raise BadRow(f"an instance lacks tensor {error}; the model takes {', '.join(types)}") from error
    except (TypeError, ValueError) as error:
        raise BadRow(f"an instance does not fit the model's tensors: {error}") from error


def arrays_of_tensors(tensors: Mapping[str, np.ndarray], types: Mapping[str, np.dtype]) -> Any:
    """V2 inputs as the model's tensors; a single one may have any name.

    Raises:
        BadRow: a tensor is missing.
    """
    if len(tensors) == len(types) == 1:
        ((name, kind),), (values,) = types.items(), tensors.values()
        made = np.asarray(values, dtype=kind)
        return {name: made} if name else made
    missing = [name for name in types if name not in tensors]
    if missing:
        raise BadRow(f"the request lacks tensor {', '.join(missing)}; the model takes {', '.join(types)}")
    return {name: np.asarray(tensors[name], dtype=kind) for name, kind in types.items()}
