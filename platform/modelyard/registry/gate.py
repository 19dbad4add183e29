"""The quality gate: a pure judge, and the edge that collects its evidence from the registry and the data's store."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from modelyard.connections import Connections
from modelyard.errors import DataMissing, GateRefused
from modelyard.registry.addresses import storage_uri
from modelyard.registry.mlflow_api import download_folder, mlflow_client, mlflow_errors, object_store
from modelyard.registry.models import GATE_TAG, MODEL, ModelVersion, as_version, find_version

if TYPE_CHECKING:
    import pandas as pd

CHECKS_TAG = "modelyard.dev/gate-checks"
TOLERANCE = 1e-9
"""Two trainings on the same rows may differ in a float's last digits."""


@dataclass(frozen=True)
class Figures:
    """How good a version is on the held-out flights."""

    version: str
    rows: int
    accuracy: float
    log_loss: float


@dataclass(frozen=True)
class GateEvidence:
    """All that the judge needs. `example_error` is why the candidate did not answer its input example, or ""."""

    candidate: Figures
    majority_accuracy: float
    rule_accuracy: float
    production: Figures | None
    example_error: str = ""


@dataclass(frozen=True)
class Check:
    """One thing that must hold, and what was seen."""

    name: str
    held: bool
    seen: str


@dataclass(frozen=True)
class GateVerdict:
    """Whether a version may get an alias, and why."""

    passed: bool
    checks: tuple[Check, ...]
    evidence: GateEvidence

    def lines(self) -> list[str]:
        """The verdict as a person reads it, one check a line."""
        return [f"{'ok' if check.held else 'NO'}  {check.name}: {check.seen}" for check in self.checks]


def judge_candidate(evidence: GateEvidence) -> GateVerdict:
    """Judge a candidate: it answers, it beats both baselines, it is no worse than production on the same flights."""
    mine = evidence.candidate
    checks = [
        Check("answers its input example", not evidence.example_error, evidence.example_error or "it does"),
        Check(
            "better than the most frequent class",
            mine.accuracy > evidence.majority_accuracy,
            f"accuracy {mine.accuracy:.4f} against {evidence.majority_accuracy:.4f}",
        ),
        Check(
            "better than the rule of thumb",
            mine.accuracy > evidence.rule_accuracy,
            f"accuracy {mine.accuracy:.4f} against {evidence.rule_accuracy:.4f}",
        ),
    ]
    checks += _against_production(mine, evidence.production)
    return GateVerdict(all(check.held for check in checks), tuple(checks), evidence)


def _against_production(mine: Figures, production: Figures | None) -> list[Check]:
    if production is None:
        return [Check("no worse than production", True, "nothing is in production yet")]
    named = f"no worse than version {production.version} in production"
    return [
        Check(
            f"{named}, accuracy",
            mine.accuracy >= production.accuracy - TOLERANCE,
            f"{mine.accuracy:.4f} against {production.accuracy:.4f} on {mine.rows:,} held-out flights",
        ),
        Check(
            f"{named}, log-loss",
            mine.log_loss <= production.log_loss + TOLERANCE,
            f"{mine.log_loss:.4f} against {production.log_loss:.4f} (lower is better)",
        ),
    ]


def check(conn: Connections, version: ModelVersion | str | int, *, model: str = MODEL) -> GateVerdict:
    """Judge a version and write the verdict to its tags.

    Candidate and production are asked about the candidate's held-out fifth, each through the feature code that was
    logged with it. So a mistake that training and its own features share cannot be seen here: a canary sees it.

    Raises:
        YardError: the version, its run's code or its data cannot be had.
    """
    candidate = as_version(conn, version, model)
    verdict = judge_candidate(collect_evidence(conn, candidate))
    client = mlflow_client(conn)
    with mlflow_errors(f"the verdict on version {candidate.version} was not kept", next_command="./invoke status"):
        told = json.dumps([asdict(check) for check in verdict.checks])
        client.set_model_version_tag(candidate.name, candidate.version, CHECKS_TAG, told)
        client.set_model_version_tag(
            candidate.name, candidate.version, GATE_TAG, "passed" if verdict.passed else "refused"
        )
    return verdict


def require_passed(version: ModelVersion) -> None:
    """Refuse a version that the gate did not pass.

    Raises:
        GateRefused: it was refused, or never judged.
    """
    if version.gate != "passed":
        raise GateRefused(
            f"{version.name} version {version.version} has not passed the gate ({version.gate or 'it was not asked'})",
            allowed="a version with the tag modelyard.dev/gate = passed",
            next_command="./invoke train",
        )


def collect_evidence(conn: Connections, candidate: ModelVersion) -> GateEvidence:
    """Ask candidate and production about the candidate's held-out flights."""
    own = FeatureCode.of(conn, candidate)
    flights = fetch_data(conn, candidate)
    flights = flights[flights["dep_delay"].notna() & flights["arr_delay"].notna()]
    apart = own.module.held_out(flights, own.params["holdout"]["fold"])
    truth = own.module.class_of(flights["arr_delay"])
    unseen, unseen_truth = flights[apart], truth[apart]
    majority = truth[~apart].mode()[0]
    rival = _production_of(conn, candidate)
    return GateEvidence(
        candidate=measure(conn, candidate, own, unseen, unseen_truth),
        majority_accuracy=float((unseen_truth == majority).mean()),
        rule_accuracy=float((unseen_truth == own.module.class_by_rule(unseen)).mean()),
        production=measure(conn, rival, FeatureCode.of(conn, rival), unseen, unseen_truth) if rival else None,
        example_error=answer_example(conn, candidate),
    )


def measure(
    conn: Connections, version: ModelVersion, code: FeatureCode, flights: pd.DataFrame, truth: pd.Series
) -> Figures:
    """Figures of a version on raw flights, through its own feature code."""
    import numpy as np
    from sklearn.metrics import accuracy_score, log_loss

    from modelyard.registry.scoring import load

    loaded = load(conn, version)
    features = code.module.make_features(flights, code.params["features"])
    probabilities = loaded.predict(features[list(loaded.columns)])
    order = np.argsort(loaded.classes)  # scikit-learn's metrics sort the labels
    named = np.asarray(loaded.classes)[probabilities.argmax(axis=1)]
    return Figures(
        version=version.version,
        rows=len(truth),
        accuracy=float(accuracy_score(truth, named)),
        log_loss=float(log_loss(truth, probabilities[:, order], labels=sorted(loaded.classes))),
    )


def answer_example(conn: Connections, version: ModelVersion) -> str:
    """Why a version does not answer its own input example with probabilities; "" where it does."""
    import numpy as np

    from modelyard.registry.scoring import load

    loaded = load(conn, version)
    example = loaded.pyfunc.input_example
    if example is None:
        return "no input example was logged"
    try:
        answer = loaded.predict(example)
    except Exception as error:  # whatever a model raises is the answer that is told
        return f"{type(error).__name__}: {error}"[:200]
    if answer.shape != (len(example), len(loaded.classes)):
        return f"answered the shape {answer.shape} for {len(example)} rows and {len(loaded.classes)} classes"
    if not np.isfinite(answer).all() or not np.allclose(answer.sum(axis=1), 1.0):
        return "answered numbers that are no probabilities"
    return ""


@dataclass(frozen=True)
class FeatureCode:
    """The feature code and the parameters that were logged with a run."""

    module: Any
    params: dict[str, Any]

    @classmethod
    def of(cls, conn: Connections, version: ModelVersion) -> FeatureCode:
        """The code of a version's run.

        Raises:
            YardError: the run logged none.
        """
        import yaml

        run = mlflow_client(conn).get_run(version.run_id)
        with tempfile.TemporaryDirectory(prefix="modelyard-code-") as folder:
            download_folder(conn, f"{storage_uri(run.info.artifact_uri)}/code", Path(folder))
            module = _import_file(Path(folder) / "features.py", f"features_of_run_{version.run_id}")
            return cls(module, yaml.safe_load((Path(folder) / "params.yaml").read_text("utf-8")))


def fetch_data(conn: Connections, version: ModelVersion) -> pd.DataFrame:
    """The raw flights that a version's data version holds, from DVC's remote.

    Raises:
        DataMissing: they are not there, or not what the run says.
    """
    import pandas as pd

    try:
        content = object_store(conn).cat_file(version.data_url)
    except FileNotFoundError as error:
        raise DataMissing(
            f"data {version.data_version} (md5 {version.data_md5}) is not at {version.data_url}",
            next_command="./invoke data",
        ) from error
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != version.data_md5:
        raise DataMissing(f"the data at {version.data_url} has md5 {found}", allowed=version.data_md5)
    return pd.read_parquet(io.BytesIO(content))


def _production_of(conn: Connections, candidate: ModelVersion) -> ModelVersion | None:
    client = mlflow_client(conn)
    if "production" not in client.get_registered_model(candidate.name).aliases:
        return None
    return find_version(conn, candidate.name, "production")


def _import_file(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # noqa: S101 - a path that ends in .py has both
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
