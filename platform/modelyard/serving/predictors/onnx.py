"""Format `onnx`: any model that was exported as ONNX, the way of PyTorch and TensorFlow models to this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from kserve import InferOutput, InferRequest, InferResponse, Model
from kserve.errors import InvalidInput

from modelyard.serving.predictors.boosters import only_file
from modelyard.serving.predictors.rows import instances_of
from modelyard.serving.predictors.tensors import output_tensor, tensor_values

EXTENSIONS = (".onnx",)
TYPES = {
    "tensor(float)": ("FP32", np.float32),
    "tensor(double)": ("FP64", np.float64),
    "tensor(float16)": ("FP16", np.float16),
    "tensor(int64)": ("INT64", np.int64),
    "tensor(int32)": ("INT32", np.int32),
    "tensor(int16)": ("INT16", np.int16),
    "tensor(int8)": ("INT8", np.int8),
    "tensor(uint64)": ("UINT64", np.uint64),
    "tensor(uint32)": ("UINT32", np.uint32),
    "tensor(uint16)": ("UINT16", np.uint16),
    "tensor(uint8)": ("UINT8", np.uint8),
    "tensor(bool)": ("BOOL", np.bool_),
    "tensor(string)": ("BYTES", np.object_),
}
"""ONNX's type of a tensor -> that of V2, and numpy's."""


class OnnxModel(Model):
    """The one ONNX file of a folder behind KServe's V1 and V2 protocols.

    V1: with one input an instance is its row; with several an object by input. With one output a prediction is its
    row, with several an object by output. V2: one tensor an input and output, by name; a single input may have any.
    """

    def __init__(self, name: str, folder: Path, threads: int) -> None:
        super().__init__(name)
        self._folder = folder
        self._threads = threads
        self.load()

    def load(self) -> bool:
        """Load the file; raises what onnxruntime raises, or FileNotFoundError."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        path = only_file(self._folder, EXTENSIONS)
        providers = onnxruntime.get_available_providers()
        self._session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        self._inputs = {held.name: held for held in self._session.get_inputs()}
        self._outputs = self._session.get_outputs()
        self.ready = True
        return True

    def predict(self, payload: Any, headers: dict[str, str] | None = None) -> Any:
        """Answer one request; what does not fit the model's inputs by name is the client's error (400)."""
        if isinstance(payload, InferRequest):
            answers = self._session.run(None, self._tensors(payload))
            outputs = [_output(held.name, answer) for held, answer in zip(self._outputs, answers, strict=True)]
            return InferResponse(response_id=payload.id, model_name=self.name, infer_outputs=outputs)
        answers = self._session.run(None, self._arrays(instances_of(payload)))
        columns = [_rows(answer) for answer in answers]
        if len(columns) == 1:
            return {"predictions": columns[0]}
        names = [held.name for held in self._outputs]
        return {"predictions": [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]}

    def get_input_types(self) -> list[dict[str, Any]]:
        """The model's inputs as V2 metadata; -1 is a size that a request decides."""
        return [_metadata(held) for held in self._inputs.values()]

    def get_output_types(self) -> list[dict[str, Any]]:
        """The model's outputs as V2 metadata."""
        return [_metadata(held) for held in self._outputs]

    def _tensors(self, request: InferRequest) -> dict[str, np.ndarray]:
        tensors = {tensor.name: tensor for tensor in request.inputs}
        if len(tensors) == len(self._inputs) == 1:
            tensors = dict(zip(self._inputs, tensors.values(), strict=True))
        self._compare(tensors)
        held = {}
        for name, tensor in tensors.items():
            values = tensor_values(tensor) if tensor.datatype == "BYTES" else tensor.as_numpy()
            held[name] = np.asarray(values, dtype=self._dtype(name)).reshape(tensor.shape)
        return held

    def _arrays(self, rows: list[Any]) -> dict[str, np.ndarray]:
        if rows and isinstance(rows[0], dict):
            self._compare(rows[0])
            columns = {name: np.array([row[name] for row in rows], dtype=self._dtype(name)) for name in self._inputs}
            # A column of scalars is, for an exported pipeline, a matrix of one column.
            return {
                n: c.reshape(-1, 1) if c.ndim == 1 and len(self._inputs[n].shape) == 2 else c
                for n, c in columns.items()
            }
        if len(self._inputs) != 1:
            raise InvalidInput(f"each instance must be an object with {', '.join(self._inputs)}")
        (name,) = self._inputs
        return {name: np.array(rows, dtype=self._dtype(name))}

    def _compare(self, given: Any) -> None:
        if set(given) != set(self._inputs):
            told = f"inputs are {', '.join(sorted(given))}: the model takes {', '.join(sorted(self._inputs))}"
            raise InvalidInput(told)

    def _dtype(self, name: str) -> Any:
        kind = self._inputs[name].type
        if kind not in TYPES:
            raise InvalidInput(f"input {name} is {kind}, which no request can hold")
        return TYPES[kind][1]


def _metadata(held: Any) -> dict[str, Any]:
    shape = [size if isinstance(size, int) else -1 for size in held.shape or []]
    return {"name": held.name, "datatype": TYPES.get(held.type, ("BYTES",))[0], "shape": shape}


def _rows(answer: Any) -> list[Any]:
    """An output as JSON can hold it; a converted classifier may answer one object of probabilities a row."""
    return answer.tolist() if isinstance(answer, np.ndarray) else list(answer)


def _output(name: str, answer: Any) -> InferOutput:
    if not isinstance(answer, np.ndarray):
        raise ValueError(f"output {name} is a list of maps, which V2 cannot hold: export the model without ZipMap")
    return output_tensor(name, answer)
