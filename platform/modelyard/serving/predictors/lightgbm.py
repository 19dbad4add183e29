"""Format `lightgbm`: a booster that LightGBM has saved, answered as KServe's lgbserver does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from kserve import Model
from kserve.utils.utils import get_predict_response

from modelyard.serving.predictors.boosters import matrix_of, only_file
from modelyard.serving.predictors.rows import instances_of

EXTENSIONS = (".bst", ".txt")
"""KServe's, and what LightGBM's own documentation calls such a file."""


class LightgbmModel(Model):
    """The one booster of a folder behind KServe's V1 and V2 protocols; V1 rows may be lists or objects by feature."""

    def __init__(self, name: str, folder: Path, threads: int) -> None:
        super().__init__(name)
        self._folder = folder
        self._threads = threads
        self.load()

    def load(self) -> bool:
        """Load the booster; raises what LightGBM raises, or FileNotFoundError."""
        path = only_file(self._folder, EXTENSIONS)
        self._booster = lightgbm.Booster(params={"num_threads": self._threads}, model_file=str(path))
        self.ready = True
        return True

    def predict(self, payload: Any, headers: dict[str, str] | None = None) -> Any:
        """Answer one request with the booster's `predict`, which knows no labels: for classes their probabilities."""
        if isinstance(payload, bytes):
            payload = {"instances": instances_of(payload)}
        rows = matrix_of(payload, self._booster.feature_name())
        result = np.asarray(self._booster.predict(rows, num_threads=self._threads))
        return get_predict_response(payload, result, self.name)
