"""Format `mlflow`: the folder of a logged MLflow model, through its pyfunc flavour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd
from kserve import InferOutput, InferRequest, InferResponse, Model
from kserve.errors import InvalidInput

from modelyard.codec import encode_predictions
from modelyard.serving.predictors.columns import BadRow, frame_of_rows, frame_of_tensors
from modelyard.serving.predictors.rows import instances_of
from modelyard.serving.predictors.tensors import (
    arrays_of_rows,
    arrays_of_tensors,
    named_arrays,
    output_tensor,
    plain_list,
    tensor_values,
)

V2_TYPES = {"double": "FP64", "float": "FP32", "long": "INT64", "integer": "INT32", "boolean": "BOOL"}


class MlflowModel(Model):
    """An MLflow model behind KServe's V1 and V2 protocols.

    V1 takes `{"instances": [{column: value}]}`. A model that was logged with `pyfunc_predict_fn="predict_proba"` and
    names its classes as the output columns of its signature answers classes with probabilities (modelyard.codec); any
    other answers the plain list of its predictions. V2 takes one named tensor a column and answers likewise. A model
    with a signature of tensors takes an instance, or an object of them by name, as the part of its tensor.
    """

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(name)
        self._folder = folder
        self._columns: dict[str, str] | None = None
        self._tensors: dict[str, np.dtype] | None = None
        self._classes: list[str] | None = None
        self.load()

    def load(self) -> bool:
        """Load the folder; raises what MLflow raises."""
        # Its warnings compare the model's requirements with every installed distribution: four fifths of the loading.
        self._pyfunc = mlflow.pyfunc.load_model(str(self._folder), suppress_warnings=True)
        self._columns = input_columns(self._pyfunc.metadata)
        self._tensors = input_tensors(self._pyfunc.metadata)
        self._classes = class_names(self._pyfunc.metadata)
        self.ready = True
        return True

    def predict(self, payload: Any, headers: dict[str, str] | None = None) -> Any:
        """Answer one request; a bad row is the client's error (400), what the model raises KServe answers (500)."""
        try:
            if isinstance(payload, InferRequest):
                return self._answer_v2(payload)
            return self._answer_v1(payload)
        except BadRow as error:
            raise InvalidInput(str(error)) from error

    def get_input_types(self) -> list[dict[str, Any]]:
        """The signature's columns as V2 metadata."""
        return [
            {"name": name, "datatype": V2_TYPES.get(kind, "BYTES"), "shape": [-1]}
            for name, kind in (self._columns or {}).items()
        ]

    def get_output_types(self) -> list[dict[str, Any]]:
        """One FP64 tensor a class and the class itself, where the model answers classes."""
        if self._classes is None:
            return []
        shape = [-1]
        return [
            {"name": "class", "datatype": "BYTES", "shape": shape},
            *({"name": name, "datatype": "FP64", "shape": shape} for name in self._classes),
        ]

    def _answer_v1(self, payload: Any) -> dict[str, Any]:
        rows = instances_of(payload)
        if self._columns is not None:
            asked = frame_of_rows(rows, self._columns)
        elif self._tensors is not None:
            asked = arrays_of_rows(rows, self._tensors)
        else:
            asked = pd.DataFrame(rows)
        outputs = self._pyfunc.predict(asked)
        if self._classes is None:
            return {"predictions": plain_list(outputs)}
        return dict(encode_predictions(self._classes, np.asarray(outputs).tolist()))

    def _answer_v2(self, request: InferRequest) -> InferResponse:
        outputs = self._pyfunc.predict(self._asked_v2(request))
        answers: list[InferOutput]
        if self._classes is None:
            answers = [output_tensor(name, values) for name, values in named_arrays(outputs).items()]
        else:
            table = np.asarray(outputs, dtype=np.float64)
            winners = [self._classes[index] for index in table.argmax(axis=1)]
            answers = [output_tensor("class", np.array(winners, dtype=object))]
            answers += [output_tensor(name, table[:, index]) for index, name in enumerate(self._classes)]
        return InferResponse(response_id=request.id, model_name=self.name, infer_outputs=answers)

    def _asked_v2(self, request: InferRequest) -> Any:
        if self._columns is not None:
            return frame_of_tensors({held.name: tensor_values(held) for held in request.inputs}, self._columns)
        if self._tensors is not None:
            return arrays_of_tensors({held.name: held.as_numpy() for held in request.inputs}, self._tensors)
        if len(request.inputs) == 1 and len(request.inputs[0].shape) > 1:
            return pd.DataFrame(request.inputs[0].as_numpy())
        return pd.DataFrame({held.name: tensor_values(held) for held in request.inputs})


def input_columns(metadata: Any) -> dict[str, str] | None:
    """Columns of an MLflow model's signature: name -> data type; None without a signature of named columns."""
    schema = metadata.get_input_schema()
    if schema is None or schema.is_tensor_spec() or not schema.has_input_names():
        return None
    return {column.name: getattr(column.type, "name", str(column.type)) for column in schema.inputs}


def input_tensors(metadata: Any) -> dict[str, np.dtype] | None:
    """Tensors of an MLflow model's signature: name -> type, "" for the only one without a name; else None."""
    schema = metadata.get_input_schema()
    if schema is None or not schema.is_tensor_spec():
        return None
    return {held.name or "": held.type for held in schema.inputs}


def class_names(metadata: Any) -> list[str] | None:
    """Classes of a model that answers their probabilities: the output columns of its signature; else None."""
    schema = metadata.get_output_schema()
    flavour = metadata.flavors.get("python_function", {})
    if schema is None or schema.is_tensor_spec() or flavour.get("predict_fn") != "predict_proba":
        return None
    names = schema.input_names()
    return list(names) if len(names) > 1 and schema.has_input_names() else None
