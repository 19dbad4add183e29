"""How long a replica may say nothing."""

import pytest

from modelyard.serving.controller.liveness import liveness_probe_of


@pytest.mark.parametrize(
    ("probe", "patience_s"),
    [
        (None, 30.0),  # kubelet's defaults: three periods of ten seconds
        ({"periodSeconds": 2}, 6.0),
        ({"failureThreshold": 6}, 60.0),
        ({"periodSeconds": 5, "failureThreshold": 1}, 5.0),
    ],
)
def test_patience_is_kubelets_or_what_the_predictor_asks_for(probe, patience_s):
    model = {"modelFormat": {"name": "sklearn"}} | ({"livenessProbe": probe} if probe else {})
    assert liveness_probe_of({"model": model}).patience_s == patience_s
