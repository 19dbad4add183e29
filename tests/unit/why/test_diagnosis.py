"""What is named as the cause, from facts of the shape that a yard's APIs give; faults on purpose are told only last."""

from dataclasses import replace
from datetime import datetime

import pytest

from modelyard.faults.records import FaultRecord
from modelyard.why.diagnosis import about, diagnose, find_subject, hidden, known_names
from modelyard.why.facts import DataFile, Facts
from modelyard.yard.conditions import Condition

NEEDS = {"objectstore": (), "mlflow": (), "serving": ("objectstore",), "envoy": ("serving",), "monitor": ()}
MD5 = "ba2a62e110bccbe059f49c3efa75c273"


def service(name, state="ready", told="it answers", pid=1, command="", line=""):
    pid = None if state in ("down", "gave up") else pid
    return Condition(name, state, pid, 60.0 if pid else None, 0, told, line, command)


def pod(revision, name="a1b2c-x1y2z", *, ready=True, pid=100, env=()):
    return {
        "metadata": {
            "name": f"{revision}-deployment-{name}",
            "namespace": "default",
            "labels": {
                "serving.kserve.io/inferenceservice": "flights",
                "serving.knative.dev/revision": revision,
            },
        },
        "spec": {"containers": [{"env": [*env, {"name": "PORT", "value": "43275"}]}]},
        "status": {
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [{"containerID": f"process://{pid}"}],
        },
    }


def isvc(*, ready=True, failure=None, served="flights-predictor-00001", digest="00d5", **annotations):
    status = {
        "conditions": [
            {
                "type": "Ready",
                "status": "True" if ready else "False",
                "reason": "" if ready else "RevisionFailed",
                "lastTransitionTime": "2026-11-24T22:29:09Z",
            }
        ],
        "components": {"predictor": {"traffic": [{"revisionName": served, "percent": 100, "latestRevision": False}]}},
        "modelStatus": {"lastFailureInfo": failure} if failure else {},
    }
    held = {
        "modelyard.dev/registered-model": "flights",
        "modelyard.dev/model-version": "1",
        "modelyard.dev/model-digest": digest,
        **annotations,
    }
    return {
        "metadata": {"name": "flights", "namespace": "default", "annotations": held},
        "spec": {"predictor": {"model": {"modelFormat": {"name": "mlflow"}, "storageUri": "s3://mlflow/1/models/m"}}},
        "status": status,
    }


def version(*, breaches=0, columns=None, recall=None, low=None, state="ready", error=""):
    return {
        "namespace": "default",
        "inferenceservice": "flights",
        "model_version": "1",
        "in_traffic": True,
        "config": {"state": state, "error": error},
        "drift": {"breaches_in_a_row": breaches, "last": {"columns": columns or {}}},
        "quality": {"breaches_in_a_row": low or {}, "last": {"recall": recall or {}}},
    }


def monitor(*versions, windows=0, events=0):
    return {"backlog": {"windows": windows, "events": events}, "versions": list(versions)}


WELL = Facts(
    now=0.0,
    supervised=True,
    conditions=tuple(service(name) for name in NEEDS),
    needs=NEEDS,
    services=[isvc()],
    pods=[pod("flights-predictor-00001")],
    alerts=[],
    monitor=monitor(version()),
    registered={("flights", "1"): "00d5"},
)


def with_condition(facts, held):
    return replace(facts, conditions=tuple(held if c.service == held.service else c for c in facts.conditions))


def worst(facts):
    return diagnose(facts)[0]


def test_a_yard_that_is_well_has_no_diagnosis():
    assert diagnose(WELL) == []


def test_a_yard_that_was_taken_down_is_one_finding_with_one_command():
    down = replace(
        WELL,
        supervised=False,
        conditions=tuple(service(name, "down") for name in NEEDS),
        services=None,
        alerts=None,
        monitor=None,
    )
    found = diagnose(down)
    assert [held.condition for held in found] == ["the yard is down"]
    assert found[0].next_command == "./invoke up"


def test_a_service_that_was_stopped_comes_before_those_that_need_it():
    facts = with_condition(WELL, service("serving", "not answering", "ConnectError: refused"))
    facts = with_condition(facts, service("objectstore", "down", "it does not run", line="an old error"))
    first, second = diagnose(facts)[:2]
    assert (first.subject, first.next_command) == ("service objectstore", "./invoke up")
    assert "it was stopped" in first.cause
    assert first.log_line == ""
    assert (second.subject, second.next_command) == ("service serving", "./invoke why objectstore")
    assert "needs objectstore" in second.cause


def test_a_store_that_answers_403_refuses_the_yards_key():
    told = "NotReady: GET http://127.0.0.1:7603/mlflow?list-type=2&max-keys=1 answered 403: <Error><Code>InvalidAccess"
    found = worst(with_condition(WELL, service("objectstore", "not answering", told)))
    assert "refuses the yard's own key" in found.cause
    assert found.next_command == "./invoke up"


def test_a_port_of_7403_is_no_refusal():
    told = "ConnectError: nobody listens at 127.0.0.1:7403"
    found = worst(with_condition(WELL, service("objectstore", "not answering", told)))
    assert "refuses" not in found.cause


def test_a_frozen_service_is_named_with_the_signal_that_wakes_it():
    facts = with_condition(WELL, service("monitor", "not answering", "ReadTimeout: timed out", pid=77))
    found = worst(replace(facts, frozen={77: "monitor"}))
    assert "SIGSTOP" in found.cause
    assert found.next_command == "kill -CONT 77"


def test_a_crash_loop_shows_its_log_and_names_it():
    held = service("mlflow", "crash looping", "it ended 3 times soon after its start", line="OSError: disk full")
    found = worst(with_condition(WELL, held))
    assert (found.log_line, found.next_command) == ("OSError: disk full", "./invoke logs mlflow")


def test_a_service_that_does_not_answer_is_never_answered_with_the_question():
    held = service("mlflow", "not answering", "ReadTimeout", command="./invoke why mlflow")
    assert worst(with_condition(WELL, held)).next_command == "./invoke up"


def test_an_optional_service_that_is_missing_is_no_finding():
    held = service("grafana", "down")
    assert diagnose(replace(WELL, conditions=(*WELL.conditions, held), optional=frozenset({"grafana"}))) == []


CRASH = {
    "reason": "ContainerCrashing",
    "message": "ValueError: invalid literal for int() with base 10: '8k'",
    "modelRevisionName": "flights-predictor-00002",
    "exitCode": 1,
}


def test_a_rollout_that_crashes_is_told_with_the_variable_that_came_with_it_and_with_who_still_answers():
    env = [{"name": "WEBSOCKETS_MAX_LINE_LENGTH", "value": "8k"}]
    facts = replace(
        WELL,
        services=[isvc(ready=False, failure=CRASH)],
        pods=[pod("flights-predictor-00001"), pod("flights-predictor-00002", ready=False, pid=101, env=env)],
        replica_logs={
            "flights-predictor-00002-deployment-a1b2c-x1y2z": ("/logs/x.log", "ValueError: invalid literal"),
        },
    )
    found = worst(facts)
    assert "WEBSOCKETS_MAX_LINE_LENGTH=8k" in found.cause
    assert "still answered by flights-predictor-00001" in found.cause
    assert (found.log, found.log_line) == ("/logs/x.log", "ValueError: invalid literal")
    assert found.next_command == "kubectl edit isvc flights --namespace default"


def test_a_variable_that_the_older_revision_has_too_is_not_the_cause():
    env = [{"name": "LEVEL", "value": "info"}]
    facts = replace(
        WELL,
        services=[isvc(ready=False, failure=CRASH)],
        pods=[pod("flights-predictor-00001", env=env), pod("flights-predictor-00002", ready=False, pid=101, env=env)],
    )
    assert "LEVEL" not in worst(facts).cause


def test_a_model_that_was_changed_is_worse_than_a_rollout_that_fails_because_nobody_answers():
    failure = {
        "reason": "ModelDigestMismatch",
        "message": "s3://mlflow/1/models/m has digest aa, promised was 00d5: it is not loaded",
        "modelRevisionName": "flights-predictor-00001",
        "exitCode": 1,
    }
    found = worst(replace(WELL, services=[isvc(ready=False, failure=failure)], pods=[]))
    assert found.rank == 1
    assert "not the one that was registered" in found.cause
    assert found.next_command == "./invoke lineage"


@pytest.mark.parametrize(("store", "command"), [("ready", "kubectl edit"), ("down", "./invoke why objectstore")])
def test_a_model_that_cannot_be_fetched_is_the_stores_matter_while_the_store_is_down(store, command):
    failure = {
        "reason": "ModelDownloadFailed",
        "message": "s3://mlflow/none cannot be fetched",
        "modelRevisionName": "flights-predictor-00002",
    }
    facts = replace(WELL, services=[isvc(ready=False, failure=failure)])
    facts = with_condition(facts, service("objectstore", store))
    found = [held for held in diagnose(facts) if held.subject == "isvc default/flights"]
    assert found[0].next_command.startswith(command)


def test_replicas_that_are_killed_from_outside_point_at_memory():
    failure = {**CRASH, "message": "replica x was ended by SIGKILL (exit code 137)", "exitCode": 137}
    assert "memory" in worst(replace(WELL, services=[isvc(ready=False, failure=failure)])).cause


def test_a_frozen_replica_is_found_although_the_inferenceservice_is_ready():
    found = worst(replace(WELL, frozen={100: "replicas"}))
    assert found.subject == "isvc default/flights"
    assert "is frozen" in found.cause
    assert found.next_command == "kill -CONT 100"


def test_another_model_under_a_registered_number_is_found_by_its_digest():
    found = worst(replace(WELL, services=[isvc(digest="feed")]))
    assert "the registry has another model under that number" in found.cause
    assert "promote" in found.next_command


def test_a_model_whose_registry_cannot_be_asked_is_not_accused():
    assert diagnose(replace(WELL, services=[isvc(digest="feed")], registered={})) == []


def test_wrong_answers_of_another_model_are_one_finding():
    facts = replace(
        WELL, services=[isvc(digest="feed")], monitor=monitor(version(low={"early": 2}, recall={"early": 0.1}))
    )
    assert len(diagnose(facts)) == 1


def test_one_column_alone_is_a_unit_and_many_are_the_world():
    one = worst(replace(WELL, monitor=monitor(version(breaches=1, columns={"dep_delay": 29.2, "temp": 0.3}))))
    assert "dep_delay alone is 29.2" in one.cause
    assert one.next_command == "./invoke open monitor"
    many = worst(replace(WELL, monitor=monitor(version(breaches=2, columns={"temp": 2.1, "dewp": 1.9}))))
    assert "temp 2.1, dewp 1.9" in many.cause
    assert "./invoke train" in many.next_command


def test_a_class_that_is_no_longer_recognised_without_drift_is_the_models_matter():
    found = worst(replace(WELL, monitor=monitor(version(low={"early": 2, "late": 0}, recall={"early": 0.07}))))
    assert "no longer recognises early (0.07)" in found.cause
    assert found.kind == "model"


def test_reports_that_fail_are_the_cause_of_a_backlog():
    line = (
        "2026-11-24 22:31:59,1 WARNING modelyard.monitor.reporter: window 4 of version 1, attempt 2: FileExistsError: x"
    )
    now = datetime(2026, 11, 24, 22, 32, 4).timestamp()  # the log is in local time
    facts = replace(WELL, now=now, monitor=monitor(version(), windows=2), monitor_log=["earlier", line])
    found = worst(facts)
    assert found.subject == "service monitor"
    assert "FileExistsError: x" in found.cause
    assert "2 windows wait" in found.condition
    assert diagnose(replace(facts, now=now + 60)) == []


def test_a_window_that_is_being_judged_is_no_backlog_although_an_old_attempt_failed_long_ago():
    assert diagnose(replace(WELL, monitor=monitor(version(), windows=1), monitor_log=["all is well"])) == []
    failed = "window 4 of version 1, attempt 2: FileExistsError: x"
    assert diagnose(replace(WELL, monitor=monitor(version(), windows=0), monitor_log=[failed])) == []


def test_a_version_that_nobody_can_judge_is_told():
    held = version(state="invalid", error="window_rows is 0")
    assert "window_rows is 0" in worst(replace(WELL, monitor=monitor(held))).cause


@pytest.mark.parametrize(("md5", "told"), [("0" * 32, "has md5 000"), ("", "is missing")])
def test_a_data_file_that_its_tag_does_not_name_is_found(md5, told):
    found = worst(replace(WELL, data=DataFile("/w/data/flights.parquet", md5, "v1", MD5)))
    assert told in found.condition
    assert found.next_command == "./invoke data v1"


def test_the_data_that_the_tag_names_are_well():
    assert diagnose(replace(WELL, data=DataFile("/w/data/flights.parquet", MD5, "v1", MD5))) == []


def alert(name, **labels):
    told = {"summary": f"summary of {name}", "description": "words"}
    return {"labels": {"alertname": name, **labels}, "annotations": told, "state": "firing"}


def test_an_alert_that_nothing_explains_is_told_last_and_one_that_is_explained_is_not():
    facts = replace(WELL, alerts=[alert("RequestsStranded", inferenceservice="flights", namespace="default")])
    assert "RequestsStranded" in worst(facts).condition
    facts = replace(facts, services=[isvc(digest="feed")])
    assert len(diagnose(facts)) == 1


def test_an_alert_of_a_service_that_is_back_is_not_told():
    assert diagnose(replace(WELL, alerts=[alert("ServiceDown", service="monitor")])) == []


FAULT = FaultRecord("monitor", "stopped", 0.0, "service monitor", "monitor is stopped", "./invoke mend monitor")


def test_a_fault_on_purpose_gives_the_command_and_not_the_cause():
    facts = with_condition(WELL, service("monitor", "down"))
    without, told = worst(facts), worst(replace(facts, faults=[FAULT]))
    assert without.cause == told.cause
    assert (told.fault, told.next_command) == (FAULT, "./invoke mend monitor")


def test_a_fault_of_another_kind_is_not_blamed():
    other = replace(FAULT, kind="replica", target="isvc default/flights")
    facts = replace(with_condition(WELL, service("monitor", "down")), faults=[other])
    assert worst(facts).fault is None
    assert hidden(facts, diagnose(facts)) == [other]


def test_a_name_means_a_service_an_inferenceservice_or_the_data():
    facts = replace(WELL, data=DataFile("/w/data/flights.parquet", MD5, "v1", MD5))
    assert find_subject(facts, "monitor") == "service monitor"
    assert find_subject(facts, "flights") == find_subject(facts, "default/flights") == "isvc default/flights"
    assert find_subject(facts, "data") == "data flights.parquet"
    assert find_subject(facts, "fligths") is None
    assert {"flights", "monitor", "data"} <= set(known_names(facts))


def test_something_that_is_well_tells_its_condition():
    (found,) = about(WELL, "isvc default/flights", [])
    assert found.condition.endswith("1 replica of flights-predictor-00001 can answer")
    assert found.next_command == ""
