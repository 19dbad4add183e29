"""Events that are equal but for the replica are one line, and a diagnosis reads as lines."""

from modelyard.faults.records import FaultRecord
from modelyard.why.facts import Diagnosis, Facts
from modelyard.why.objects import events_about
from modelyard.why.page import render, render_all

SERVICE = {"metadata": {"name": "flights", "namespace": "default"}}


def event(
    name, message, at, *, kind="InferenceService", type_="Warning", reason="BackOff", count=1, namespace="default"
):
    return {
        "involvedObject": {"kind": kind, "name": name, "namespace": namespace},
        "type": type_,
        "reason": reason,
        "message": message,
        "lastTimestamp": at,
        "count": count,
    }


def test_events_of_one_kind_about_several_replicas_are_counted_as_one():
    held = [
        event(
            "flights", "Back-off in pod flights-predictor-00002-deployment-qgncq4x4qj-mdmgc: x", "2026-11-24T22:29:09Z"
        ),
        event(
            "flights", "Back-off in pod flights-predictor-00002-deployment-qgncq4x4qj-vwmzf: x", "2026-11-24T22:29:11Z"
        ),
        event("other", "Back-off of somebody else", "2026-11-24T22:29:11Z"),
        event("flights", "in another namespace", "2026-11-24T22:29:12Z", namespace="prod"),
    ]
    (line,) = events_about(held, SERVICE, [])
    assert line.endswith("Warning BackOff (×2): Back-off in pod flights-predictor-00002-…: x")


def test_of_a_pod_only_warnings_are_told_that_the_inferenceservice_does_not_tell_itself():
    pod = {"kind": "Pod", "name": "flights-predictor-00002-deployment-a-b"}
    at = "2026-11-24T22:29:09Z"
    held = [
        event(pod["name"], "started", at, kind="Pod", type_="Normal", reason="Started"),
        event(pod["name"], "back-off: ended 4 times", at, kind="Pod"),
        event(pod["name"], "liveness probe failed", at, kind="Pod", reason="Unhealthy"),
    ]
    (line,) = events_about(held, SERVICE, [{"metadata": {"name": pod["name"]}}])
    assert "Unhealthy: liveness probe failed" in line


def test_the_last_five_events_are_told_the_newest_last():
    held = [event("flights", f"message {n}", f"2026-11-24T22:29:{n:02d}Z") for n in range(8)]
    told = events_about(held, SERVICE, [])
    assert [line.rpartition(" ")[2] for line in told] == ["3", "4", "5", "6", "7"]


def test_a_diagnosis_reads_as_condition_cause_events_log_and_the_next_command():
    fault = FaultRecord("model", "bytes", 0.0, "isvc default/flights", "one byte is another", "./invoke mend model")
    found = Diagnosis(
        "isvc default/flights",
        1,
        "Ready is False",
        "the bytes differ",
        "./invoke mend model",
        events=("22:29:09 Warning BackOff: x",),
        log="/logs/x.log",
        log_line="ModelDigestMismatch: y",
        fault=fault,
    )
    lines = render(found)
    assert lines[0] == "isvc default/flights"
    assert [line.split()[0] for line in lines[1:]] == ["condition", "cause", "events", "log", "in", "on", "next"]
    assert lines[-1].split(maxsplit=1)[1] == "./invoke mend model"


def test_the_same_cause_of_several_things_is_told_once():
    worst = Diagnosis("service a", 0, "down", "stopped", "./invoke up")
    others = [Diagnosis(f"service {name}", 0, "down", "it does not run", "./invoke up") for name in "bc"]
    told = render_all(Facts(0.0, True, ()), [worst, *others], [])
    assert "also: service b, service c: it does not run" in told


def test_what_could_not_be_asked_is_told():
    told = render_all(Facts(0.0, True, ()), [], [])
    assert told[0] == "nothing is wrong"
    assert told[-1].endswith("could not be asked: InferenceServices, alerts, the monitor")
