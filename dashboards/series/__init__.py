"""The `modelyard:*` series: the one vocabulary that dashboards and alert rules read.

Each substrate measures the same things under other names. Here stands, once, what every series means and how the
substrate `local` gives it; `dashboards/build.py` makes rules/recording.yml and docs/metrics.md from this list. The
names behind the expressions are those of Envoy's /stats/prometheus (to which the scrape configuration adds namespace,
inferenceservice and revision, from the name of the cluster), of KServe's model server, of Knative's autoscaler and
activator, and of the drift monitor.
"""

from __future__ import annotations

from dashboards.series.autoscaling import AUTOSCALING
from dashboards.series.kinds import (
    DRIFT_THRESHOLD,
    EARLY_RECALL_THRESHOLD_RATIO,
    PER_REVISION,
    PER_VERSION,
    RATE_WINDOW_S,
    Group,
    Series,
)
from dashboards.series.model import MODEL
from dashboards.series.platform import PLATFORM
from dashboards.series.serving import SERVING

GROUPS = (PLATFORM, SERVING, AUTOSCALING, MODEL)
SERIES = tuple(series for group in GROUPS for series in group.series)

__all__ = [
    "DRIFT_THRESHOLD",
    "EARLY_RECALL_THRESHOLD_RATIO",
    "GROUPS",
    "PER_REVISION",
    "PER_VERSION",
    "RATE_WINDOW_S",
    "SERIES",
    "Group",
    "Series",
]
