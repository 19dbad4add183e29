"""What the activator makes of a request's headers, and what it tells."""

import re

import pytest

from modelyard.serving.activator.messages import (
    Report,
    TableEntry,
    encode_poke,
    encode_report,
    encode_table,
    parse_report,
    parse_table,
)
from modelyard.serving.activator.metrics import exposition
from modelyard.serving.activator.proxy import breaks_before, forwarded_headers, timeout_of
from modelyard.serving.activator.queue import RevisionQueue

KEY = ("demo", "iris-predictor-00002")
# Of a Knative 1.23 activator: its three series, their help and the labels of a revision without OpenTelemetry's scope.
RECORDED = """\
# HELP kn_revision_request_active Number of requests currently being proxied by the activator
# TYPE kn_revision_request_active gauge
kn_revision_request_active{k8s_namespace_name="demo",kn_revision_name="iris-predictor-00002"} 0
# HELP kn_revision_request_concurrency Concurrent requests that are routed to Activator
# TYPE kn_revision_request_concurrency gauge
kn_revision_request_concurrency{k8s_namespace_name="demo",kn_configuration_name="iris-predictor",\
kn_revision_name="iris-predictor-00002",kn_service_name="iris-predictor"} 0.1680999420475307
# HELP kn_revision_request_queued Number of requests currently queued in the activator waiting for capacity
# TYPE kn_revision_request_queued gauge
kn_revision_request_queued{k8s_namespace_name="demo",kn_revision_name="iris-predictor-00002"} 0
"""


def test_series_are_those_of_a_real_activator():
    queue = RevisionQueue(KEY, lambda key: None)
    made = exposition({KEY: queue}, {KEY: Report(0, 0, 0.1680999420475307, 1.0)}).decode()
    ours = [series(line) for line in made.splitlines() if "kn_revision" in line]
    assert sorted(ours) == sorted(series(line) for line in RECORDED.splitlines())


def series(line):
    """A line with its labels in order and its value to six digits."""
    found = re.fullmatch(r"(\w+)\{(.*)\} (\S+)", line)
    if found is None:
        return line
    return f"{found[1]}{sorted(found[2].split(','))} {float(found[3]):.6f}"


def test_headers_of_the_connection_and_of_the_gateway_stay_behind():
    sent = [
        (b"host", b"m.default.localhost:7600"),
        (b"connection", b"keep-alive, X-Mine"),
        (b"x-mine", b"1"),
        (b"transfer-encoding", b"chunked"),
        (b"te", b"trailers"),
        (b"knative-serving-revision", b"m-predictor-00001"),
        (b"knative-serving-namespace", b"default"),
        (b"k-proxy-request", b"somebody"),
        (b"accept", b"a"),
        (b"accept", b"b"),
    ]
    assert forwarded_headers(sent) == [(b"host", b"m.default.localhost:7600"), (b"accept", b"a"), (b"accept", b"b")]


@pytest.mark.parametrize(("attempt", "before"), [(None, 0), (b"1", 0), (b"2", 1), (b"9", 2), (b"x", 0), (b"0", 0)])
def test_what_envoy_tried_before_counts_and_leaves_one_attempt(attempt, before):
    assert breaks_before(attempt) == before


@pytest.mark.parametrize(
    ("told_s", "expected_ms", "seconds"),
    [(60, b"62000", 60), (60, b"30000", 29), (None, None, 300), (60, b"500", 0), (60, b"soon", 60), (1.5, None, 1.5)],
)
def test_a_request_has_its_routes_time_or_what_envoy_has_left_of_it(told_s, expected_ms, seconds):
    assert timeout_of(told_s, expected_ms) == seconds


def test_what_is_told_is_understood():
    import orjson

    table = [TableEntry("default", "a-predictor-00001", (1, 2), 3, 4.5), TableEntry("default", "b-predictor-00001")]
    assert parse_table(orjson.loads(encode_table(table))["table"]) == table
    reports = {KEY: Report(1, 2, 3.5, 4.5)}
    assert parse_report(orjson.loads(encode_report(reports))["report"]) == reports
    assert orjson.loads(encode_poke(KEY)) == {"poke": {"namespace": KEY[0], "revision": KEY[1]}}
