"""A real Prometheus and Alertmanager, started as in a yard, between an exposition of the test's and a webhook."""

import time

from dashboards.queries import dashboard_files, panel_queries
from modelyard.waiting import wait_until

VERSION = 'namespace="default",inferenceservice="flights",model_version="%s"'
DRIFT = "modelyard_monitor_drift_breaches_in_a_row{%s} %%d\n" % VERSION  # noqa: UP031
RECALL = 'modelyard_monitor_recall_breaches_in_a_row{%s,class="early"} %%d\n' % VERSION  # noqa: UP031

ROOM_S = 25
"""Less than the 30 s and the 5 min that Alertmanager waits where nobody says else (group_wait, group_interval)."""


def test_the_gateways_clusters_become_revisions_and_the_rest_of_its_series_stays_away(ask):
    wait_until(lambda: ask("modelyard:replicas_ready"), what="the first evaluation", deadline_s=20)
    found = {held["metric"]["revision"]: held for held in ask("modelyard:replicas_ready")}
    assert {name: held["value"][1] for name, held in found.items()} == {
        "iris-predictor-00001": "1",
        "iris-predictor-00002": "1",
    }
    assert {(held["metric"]["namespace"], held["metric"]["inferenceservice"]) for held in found.values()} == {
        ("demo", "iris")
    }
    assert ask('envoy_cluster_upstream_rq_total{envoy_cluster_name="xds_cluster",revision=""}')
    assert not ask("envoy_cluster_bind_errors")


def test_prometheus_takes_every_panels_query(ask):
    queries = [
        found for path in dashboard_files() for found in panel_queries(path, inferenceservice="iris", namespace="demo")
    ]
    assert len(queries) > 30
    for _, promql in queries:
        ask(promql)


def test_an_alert_reaches_the_webhook_in_seconds_and_ends_when_its_version_leaves_the_traffic(monitor, ask):
    monitor.told = DRIFT % (1, 0) + RECALL % (1, 0)
    wait_until(lambda: ask("modelyard:drift_breaches_in_a_row == 0"), what="a healthy version", deadline_s=20)
    assert monitor.received == []

    breached = time.monotonic()
    monitor.told = DRIFT % (1, 1) + RECALL % (1, 2) + DRIFT % (2, 0)
    wait_until(lambda: len(monitor.alerts("firing")) >= 2, what="two alerts at the webhook", deadline_s=ROOM_S)
    came, labels, group = next(found for found in monitor.alerts("firing") if found[1]["alertname"] == "InputDrift")
    # a scrape and an evaluation (1 s each here), group_wait 1 s, and room for a busy machine
    assert came - breached < ROOM_S
    assert labels == {
        "alertname": "InputDrift",
        "severity": "warning",
        "namespace": "default",
        "inferenceservice": "flights",
        "model_version": "1",
    }
    assert group == {"alertname": "InputDrift", "inferenceservice": "flights", "model_version": "1"}
    _, labels, _ = next(found for found in monitor.alerts("firing") if found[1]["alertname"] == "ClassRecallLow")
    assert labels["class"] == "early"

    left = time.monotonic()
    monitor.told = DRIFT % (2, 0)
    wait_until(lambda: len(monitor.alerts("resolved")) >= 2, what="two ends of alerts", deadline_s=ROOM_S)
    ended = {labels["alertname"]: came for came, labels, _ in monitor.alerts("resolved")}
    assert set(ended) == {"InputDrift", "ClassRecallLow"}
    assert max(ended.values()) - left < ROOM_S
