"""What a series is, and the expressions that several of them are made of."""

from __future__ import annotations

from dataclasses import dataclass

RATE_WINDOW_S = 60
"""Seconds over which rates and quantiles are taken: at least four scrapes must fall into it."""

DRIFT_THRESHOLD = 1.5
"""Normalised distance at which a numerical column counts as drifted."""

EARLY_RECALL_THRESHOLD_RATIO = 0.42
"""Recall of the class `early` below which a window of truths counts as a breach."""

PER_REVISION = ("namespace", "inferenceservice", "revision")
PER_VERSION = ("namespace", "inferenceservice", "model_version")


@dataclass(frozen=True)
class Series:
    """One recorded series.

    Attributes:
        name: `modelyard:WHAT`, with `:rate` or `:p95` after it where it is taken over a window of time.
        help: what it tells, in one sentence.
        unit: of its value: seconds, ratio, bytes, a count, or a count per second.
        labels: every label that it carries.
        local: the PromQL that gives it on the substrate `local`.
    """

    name: str
    help: str
    unit: str
    labels: tuple[str, ...]
    local: str


@dataclass(frozen=True)
class Group:
    """Series that are evaluated one after the other: a later one may read an earlier one."""

    name: str
    about: str
    series: tuple[Series, ...]


def rate(metric: str, labels: tuple[str, ...], selector: str = "") -> str:
    """The growth of a counter a second, summed by labels."""
    return f"sum by ({', '.join(labels)}) (rate({metric}{selector}[{RATE_WINDOW_S}s]))"


def of_revision(metric: str) -> str:
    """A series of Envoy's, summed by revision."""
    return f'sum by ({", ".join(PER_REVISION)}) ({metric}{{revision!=""}})'


def of_knative(metric: str) -> str:
    """Knative's components name a revision by labels of their own; its InferenceService is a part of its name."""
    where = f'label_replace({metric}, "namespace", "$1", "k8s_namespace_name", "(.+)")'
    which = f'label_replace({where}, "revision", "$1", "kn_revision_name", "(.+)")'
    whose = f'label_replace({which}, "inferenceservice", "$1", "kn_revision_name", "(.+)-predictor-[0-9]+")'
    return f"max by ({', '.join(PER_REVISION)}) ({whose})"


def of_version(metric: str, *, also: str = "", how: str = "max") -> str:
    """A series of the monitor's, by model version and maybe more."""
    labels = ", ".join((*PER_VERSION, also)) if also else ", ".join(PER_VERSION)
    return f"{how} by ({labels}) ({metric})"


def held(name: str, metric: str, *, also: str = "") -> str:
    """As the monitor told it; while it does not answer, as it was told last, so that its death ends no alert."""
    return f'{of_version(metric, also=also)}\nor ({name} and on () (max(up{{job="monitor"}}) == 0))'
