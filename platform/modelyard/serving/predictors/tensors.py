"""Between V2 tensors, numpy and JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from kserve import InferInput, InferOutput

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
    """Predictions of any kind as what JSON can hold: rows of a frame become objects."""
    if isinstance(outputs, pd.DataFrame):
        return outputs.to_dict(orient="records")
    if isinstance(outputs, pd.Series | np.ndarray):
        return outputs.tolist()
    return list(outputs)
