"""Format `sklearn`: a pickled scikit-learn model, answered as KServe's sklearnserver does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from kserve import InferRequest, Model
from kserve.errors import InferenceError, InvalidInput
from kserve.utils.utils import get_predict_input, get_predict_response

from modelyard.serving.predictors.rows import instances_of

EXTENSIONS = (".joblib", ".pkl", ".pickle")


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
        found = sorted(path for path in self._folder.iterdir() if path.suffix in EXTENSIONS)
        if len(found) != 1:
            names = ", ".join(path.name for path in found) or "none"
            raise FileNotFoundError(
                f"one file *{', *'.join(EXTENSIONS)} is needed in the model's folder: found {names}"
            )
        self._model = joblib.load(found[0])
        self.ready = True
        return True

    def predict(self, payload: Any, headers: dict[str, str] | None = None) -> Any:
        """Answer one request with the model's `predict`."""
        if not isinstance(payload, InferRequest):
            payload = {"instances": instances_of(payload)}
        try:
            result = self._model.predict(self._inputs(payload))
            return get_predict_response(payload, np.asarray(result), self.name)
        except InvalidInput:
            raise
        except Exception as error:
            raise InferenceError(f"{type(error).__name__}: {error}") from error

    def _inputs(self, payload: Any) -> Any:
        if isinstance(payload, InferRequest):
            return get_predict_input(payload)
        rows = payload["instances"]
        if rows and isinstance(rows[0], dict):
            frame = pd.DataFrame(rows)
            names = getattr(self._model, "feature_names_in_", None)
            return frame if names is None else frame[list(names)]
        return get_predict_input(payload)
