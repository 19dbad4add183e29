"""How good a model is, against what it must beat. Pure functions: arrays in, figures out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, precision_recall_fscore_support


def measure(truth: pd.Series, probabilities: np.ndarray, classes: Sequence[str]) -> dict[str, float]:
    """Accuracy, macro F1, log-loss, and precision, recall and F1 of each class.

    Args:
        truth: class of each flight.
        probabilities: one row a flight, one column a class, in the order of `classes`.
        classes: sorted by name, as scikit-learn keeps them.
    """
    named = most_probable(probabilities, classes)
    precision, recall, f1, _ = precision_recall_fscore_support(truth, named, labels=classes, zero_division=0.0)
    figures = {
        "accuracy": accuracy_score(truth, named),
        "macro_f1": f1.mean(),
        "log_loss": log_loss(truth, probabilities, labels=classes),
    }
    for number, name in enumerate(classes):
        figures[f"precision_{name}"] = precision[number]
        figures[f"recall_{name}"] = recall[number]
        figures[f"f1_{name}"] = f1[number]
    return {name: float(figure) for name, figure in figures.items()}


def measure_baselines(trained_on: pd.Series, truth: pd.Series, by_rule: pd.Series) -> dict[str, float]:
    """Accuracy of the most frequent class of the training rows, and of the rule of thumb."""
    return {
        "baseline_majority_accuracy": float((truth == trained_on.mode()[0]).mean()),
        "baseline_rule_accuracy": float((truth == by_rule).mean()),
    }


def confusion(truth: pd.Series, named: Sequence[str] | np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """Counts of flights, one row a true class and one column a predicted class."""
    counts = confusion_matrix(truth, named, labels=classes)
    return {"classes": list(classes), "rows": "truth", "columns": "predicted", "counts": counts.tolist()}


def most_probable(probabilities: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """The class with the largest probability of each row."""
    return np.asarray(classes)[probabilities.argmax(axis=1)]


def draw_confusion(matrix: dict[str, Any], title: str) -> Any:
    """The confusion matrix as a matplotlib figure; a cell's shade is its share of the true class."""
    from matplotlib.figure import Figure  # not pyplot: no window system is asked for

    classes, counts = matrix["classes"], np.asarray(matrix["counts"])
    share = counts / counts.sum(axis=1, keepdims=True)
    figure = Figure(figsize=(5, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*counts.shape):
        told = f"{counts[row, column]:,}\n{share[row, column]:.0%}"
        axes.text(column, row, told, ha="center", va="center", color="white" if share[row, column] > 0.6 else "black")
    axes.set(title=title, xlabel="predicted", ylabel="truth")
    axes.set_xticks(range(len(classes)), classes)
    axes.set_yticks(range(len(classes)), classes)
    return figure
