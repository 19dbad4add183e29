"""Format `sklearn`: a pickled scikit-learn model, answered as KServe's sklearnserver does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from kserve import InferRequest, Model
from kserve.utils.utils import get_predict_input, get_predict_response

from modelyard.serving.predictors.boosters import only_file
from modelyard.serving.predictors.rows import instances_of

EXTENSIONS = (".joblib", ".pkl", ".pickle")
PREDICT_PROBA = "PREDICT_PROBA"
"""As in KServe's sklearnserver."""


class SklearnModel(Model):
    """The one pickle of a folder behind KServe's V1 and V2 protocols; V1 rows may be lists or objects of columns."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(name)
        self._folder = folder
        self.load()

    def load(self) -> bool:
        """Load the pickle.

        Raises:
            FileNotFoundError: the folder holds no file, or more than one, that ends as a pickle does.
        """
        self._model = joblib.load(only_file(self._folder, EXTENSIONS))
        self.ready = True
        return True

    def predict(self, payload: Any, headers: dict[str, str] | None = None) -> Any:
        """Answer one request with the model's `predict`, or `predict_proba` where the variable PREDICT_PROBA asks so.

        What the model raises is answered by KServe: 500 with the exception's name and words.
        """
        if not isinstance(payload, InferRequest):
            payload = {"instances": instances_of(payload)}
        asked = os.environ.get(PREDICT_PROBA, "false").lower() == "true"
        method = "predict_proba" if asked and hasattr(self._model, "predict_proba") else "predict"
        result = getattr(self._model, method)(self._inputs(payload))
        return get_predict_response(payload, np.asarray(result), self.name)

    def _inputs(self, payload: Any) -> Any:
        if isinstance(payload, InferRequest):
            return get_predict_input(payload)
        rows = payload["instances"]
        if rows and isinstance(rows[0], dict):
            frame = pd.DataFrame(rows)
            names = getattr(self._model, "feature_names_in_", None)
            return frame if names is None else frame[list(names)]
        return get_predict_input(payload)
