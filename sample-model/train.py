"""Fit the model, measure it on flights that it never saw, and log all of it as one MLflow run.

dvc repro train                 data/features.parquet -> an MLflow run, its id in run.json, figures in metrics.json
"""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from sklearn.ensemble import HistGradientBoostingClassifier

from evaluate import confusion, measure, measure_baselines, most_probable
from features import CATEGORICAL, CLASSES, FEATURES, held_out


@dataclass(frozen=True)
class Trained:
    """What a training leaves behind."""

    model: HistGradientBoostingClassifier
    figures: dict[str, float]
    confusion: dict[str, Any]
    seen: pd.DataFrame
    reference: pd.DataFrame
    rows: dict[str, int]


def fit(rows: pd.DataFrame, params: dict[str, Any]) -> HistGradientBoostingClassifier:
    """A classifier of `truth` from the fifteen features; the strings become categories."""
    model = HistGradientBoostingClassifier(**params, categorical_features="from_dtype", random_state=0)
    return model.fit(rows[FEATURES].astype(dict.fromkeys(CATEGORICAL, "category")), rows["truth"])


def ask(model: HistGradientBoostingClassifier, rows: pd.DataFrame) -> np.ndarray:
    """Probabilities, one row a flight and one column a class of `model.classes_`."""
    return model.predict_proba(rows[FEATURES])


def on_held_out_days(table: pd.DataFrame, days: int, seed: int) -> pd.Series:
    """Whether a flight leaves on one of the days that are held out whole."""
    all_days = np.sort(table["day"].unique())
    return table["day"].isin(np.random.default_rng(seed).choice(all_days, size=days, replace=False))


def draw_reference(rows: pd.DataFrame, model: HistGradientBoostingClassifier, params: dict[str, Any]) -> pd.DataFrame:
    """Training rows that the drift monitor compares traffic with: features, the model's answer, the truth."""
    drawn = rows.sample(params["reference_rows"], random_state=params["reference_seed"])
    answers = most_probable(ask(model, drawn), model.classes_)
    return drawn[FEATURES].assign(prediction=answers, truth=drawn["truth"]).reset_index(drop=True)


def train(table: pd.DataFrame, params: dict[str, Any]) -> Trained:
    """Train and measure twice: once holding out flights, once holding out whole days.

    Flights held out at random share their days, and so their weather, with flights that were trained on. The second
    figure shares nothing; it is the harder and the fairer one. Only the first model is kept.
    """
    holdout = params["holdout"]
    apart = held_out(table, holdout["fold"])
    apart_days = on_held_out_days(table, holdout["days"], holdout["days_seed"])
    with ThreadPoolExecutor(2) as pool:  # scikit-learn lets go of the interpreter lock while it grows trees
        fitting = [pool.submit(fit, table[~away], params["model"]) for away in (apart, apart_days)]
        model, days_model = (done.result() for done in fitting)

    seen, unseen = table[~apart], table[apart]
    probabilities = ask(model, unseen)
    on_days = measure(table[apart_days]["truth"], ask(days_model, table[apart_days]), days_model.classes_)
    return Trained(
        model=model,
        figures={
            **measure(unseen["truth"], probabilities, model.classes_),
            **measure_baselines(seen["truth"], unseen["truth"], unseen["by_rule"]),
            **{f"days_{name}": figure for name, figure in on_days.items()},
        },
        confusion=confusion(unseen["truth"], most_probable(probabilities, model.classes_), CLASSES),
        seen=seen,
        reference=draw_reference(seen, model, params["monitoring"]),
        rows={"rows_trained": len(seen), "rows_held_out": len(unseen), "rows_held_out_days": int(apart_days.sum())},
    )


def main() -> None:
    """The stage: train, log, and write down which run it was."""
    from tracking import log_run

    params = yaml.safe_load(Path("params.yaml").read_text())
    trained = train(pd.read_parquet("data/features.parquet"), params)
    figures = trained.figures
    print(
        f"accuracy {figures['accuracy']:.3f} on held-out flights (majority class "
        f"{figures['baseline_majority_accuracy']:.3f}, rule {figures['baseline_rule_accuracy']:.3f}); "
        f"{figures['days_accuracy']:.3f} on held-out days, the harder figure",
        flush=True,
    )
    run_id = log_run(trained, params)
    Path("metrics.json").write_text(json.dumps({k: round(v, 4) for k, v in figures.items()}, indent=2) + "\n")
    Path("run.json").write_text(json.dumps({"run_id": run_id}) + "\n")


if __name__ == "__main__":
    main()
