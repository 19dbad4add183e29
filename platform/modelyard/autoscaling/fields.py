"""The scaling fields of an InferenceService's predictor as the annotations that KServe makes of them.

Source: kserve pkg/controller/v1alpha1/utils/utils.go (SetAutoScalingAnnotations) and
pkg/controller/v1beta1/inferenceservice/components/predictor.go (which annotations reach the revision).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelyard.autoscaling import annotations as names

DEFAULT_MIN_REPLICAS = 1


def revision_annotations(predictor: Mapping[str, Any], annotations: Mapping[str, str]) -> dict[str, str]:
    """The annotations of the revision: the InferenceService's, then the predictor's own, then what its fields mean."""
    found = {**annotations, **(predictor.get("annotations") or {})}
    found.setdefault(names.CLASS[0], names.KPA)
    target, metric = whole(predictor, "scaleTarget"), predictor.get("scaleMetric")
    if target is not None:
        found[names.TARGET[0]] = str(target)
    if isinstance(metric, str):
        found[names.METRIC[0]] = metric
    least, most = whole(predictor, "minReplicas"), whole(predictor, "maxReplicas")
    found[names.MIN_SCALE[0]] = str(DEFAULT_MIN_REPLICAS if least is None else least)
    if most:
        found[names.MAX_SCALE[0]] = str(most)
    return found


def whole(predictor: Mapping[str, Any], field: str) -> int | None:
    """The field as a whole number, None where it is absent or of another type."""
    value = predictor.get(field)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
