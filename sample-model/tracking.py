"""What a run leaves in MLflow, so that it can be found, judged, served, watched and repeated."""

import configparser
import json
import logging
import shutil
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import yaml
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

from evaluate import draw_confusion
from features import CATEGORICAL, CLASSES, FEATURES, NUMERICAL

if TYPE_CHECKING:
    from train import Trained

EXPERIMENT = "flights"
DATA = Path("data/flights.parquet")
PACKAGES = ["mlflow", "scikit-learn", "skops", "pandas", "numpy", "scipy"]
"""What the model needs where it is loaded. Named here, because finding it out by trial takes MLflow ten seconds."""

logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)  # an environment made by uv has no pip: no news

TRUSTED_TYPES = [
    "functools.partial",
    "sklearn.utils.validation.check_array",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
]
"""Types in the model's file that skops loads only when they are named: all three are scikit-learn's own."""


def log_run(trained: "Trained", params: dict[str, Any]) -> str:
    """Log one run and return its id; the run ends as FINISHED only when everything is there."""
    mlflow.set_experiment(EXPERIMENT)
    data = describe_data(params)
    tags = {f"data.{name}": value for name, value in data.items()} | {"git.commit": git("rev-parse", "HEAD")}
    with mlflow.start_run(run_name=f"flights on data {data['version']}", tags=tags) as run:
        mlflow.log_params(choices(params) | trained.rows)
        mlflow.log_metrics(trained.figures)
        mlflow.log_input(as_dataset(trained, data), context="training", tags=tags)
        with tempfile.TemporaryDirectory() as folder:
            write_evidence(Path(folder), trained, params)
            mlflow.log_artifacts(folder)
        log_model(trained)
    return run.info.run_id


def describe_data(params: dict[str, Any]) -> dict[str, str]:
    """Name, version, md5 and remote address of the data, as DVC knows them."""
    pointer = yaml.safe_load(DATA.with_suffix(".parquet.dvc").read_text())
    md5 = pointer["outs"][0]["md5"]
    config = configparser.ConfigParser()
    config.read(".dvc/config")
    remote = config["'remote \"yard\"'"]["url"]
    return {
        "name": "flights",
        "version": params["data"]["version"],
        "md5": md5,
        "url": f"{remote}/files/md5/{md5[:2]}/{md5[2:]}",
    }


def as_dataset(trained: "Trained", data: dict[str, str]) -> Any:
    """The training rows as an MLflow dataset: its digest is DVC's md5, its source the remote's object."""
    rows = trained.seen[[*FEATURES, "truth"]]
    name = f"{data['name']}-{data['version']}"
    return mlflow.data.from_pandas(rows, source=data["url"], name=name, targets="truth", digest=data["md5"])


def log_model(trained: "Trained") -> None:
    """Log the model with what a server must know: columns and their types in, one probability a class out."""
    example = trained.reference[FEATURES].head(3)
    kinds = dict.fromkeys(CATEGORICAL, "string") | dict.fromkeys(NUMERICAL, "double")
    mlflow.sklearn.log_model(
        trained.model,
        name="model",
        signature=ModelSignature(
            inputs=Schema([ColSpec(kind, name) for name, kind in kinds.items()]),
            outputs=Schema([ColSpec("double", name) for name in trained.model.classes_]),
        ),
        input_example=example,
        pyfunc_predict_fn="predict_proba",
        pip_requirements=[f"{name}=={version(name)}" for name in PACKAGES],
        skops_trusted_types=TRUSTED_TYPES,
    )


def write_evidence(folder: Path, trained: "Trained", params: dict[str, Any]) -> None:
    """Everything that is kept as a file, in one folder, so that it goes up at once."""
    for name in ("code", "evaluation", "monitoring"):
        (folder / name).mkdir()
    for name in ("features.py", "params.yaml"):
        shutil.copy(name, folder / "code")
    write_json(folder / "evaluation/confusion_matrix.json", trained.confusion)
    draw_confusion(trained.confusion, "Held-out flights").savefig(folder / "evaluation/confusion_matrix.png", dpi=110)
    trained.reference.to_parquet(folder / "monitoring/reference.parquet", index=False)
    write_json(folder / "monitoring/monitoring.json", monitoring_settings(params["monitoring"]))


def monitoring_settings(params: dict[str, Any]) -> dict[str, Any]:
    """What the drift monitor must know of this version."""
    return {
        "columns": {"numerical": NUMERICAL, "categorical": CATEGORICAL},
        "classes": CLASSES,
        "drift": params["drift"],
        "quality": params["quality"],
    }


def choices(params: dict[str, Any]) -> dict[str, Any]:
    """The parameters that decided this run, one level deep: {"model": {"max_iter": 60}} -> {"model.max_iter": 60}."""
    chosen = {name: params[name] for name in ("features", "holdout", "model")}
    flat = {f"{section}.{name}": value for section, held in chosen.items() for name, value in held.items()}
    data = params["data"]
    return {"data.version": data["version"], "data.months": data["months"][data["version"]], **flat}


def write_json(path: Path, held: Any) -> None:
    """Write JSON that people can read."""
    path.write_text(json.dumps(held, indent=2) + "\n")


def git(*arguments: str) -> str:
    """What git answers, without the line's end."""
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()
