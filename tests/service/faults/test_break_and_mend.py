"""Each fault on a real yard: it is broken, `why` names the true cause without being told, it is mended and gone."""

import subprocess
from dataclasses import dataclass, replace

import pytest

from modelyard.errors import FaultInForce
from modelyard.faults import in_force
from modelyard.faults.commands import make_fault, mend_faults
from modelyard.prometheus import Prometheus
from modelyard.waiting import wait_until
from modelyard.why.diagnosis import diagnose
from modelyard.why.gather import gather
from modelyard.workspace.project import file_md5, pointer_md5
from modelyard.yard.down import take_down
from modelyard.yard.up import bring_up

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"
)


@dataclass(frozen=True)
class Lesson:
    """What must be seen: of what, which words of the cause, and the command were it not on purpose."""

    kind: str
    how: str
    subject: str
    cause: str
    command: str
    alert: str = ""

    def __str__(self):
        return f"{self.kind}-{self.how}"


DEADLINE_S = 120
FLIGHTS = "isvc default/flights"
COLUMNS = (
    "carrier origin dest distance sched_min weekday dep_delay sched_block load_hour dewp humid wind_speed precip "
    "pressure visib"
)
FLIGHT = {**dict.fromkeys(COLUMNS.split()), "carrier": "UA", "origin": "EWR", "dest": "ORD", "dep_delay": 45.0}
LESSONS = (
    Lesson(
        "replica",
        "crash",
        FLIGHTS,
        "it is the first revision with WEBSOCKETS_MAX_LINE_LENGTH=8k",
        "kubectl edit isvc flights --namespace default",
        "ReplicasCrashLooping",
    ),
    Lesson("replica", "hang", FLIGHTS, "is frozen (SIGSTOP)", "kill -CONT"),
    Lesson("store", "refuses", "service objectstore", "refuses the yard's own key", "./invoke up"),
    Lesson("store", "gone", "service objectstore", "it was stopped", "./invoke up"),
    Lesson("monitor", "stopped", "service monitor", "it was stopped", "./invoke up"),
    Lesson("monitor", "backlog", "service monitor", "its reports fail: FileExistsError", "./invoke logs monitor"),
    Lesson("data", "drift", FLIGHTS, "dep_delay alone is", "./invoke open monitor", "InputDrift"),
    Lesson("data", "file", "data flights.parquet", "changed or damaged after it was versioned", "./invoke data v1"),
    Lesson(
        "model",
        "wrong",
        FLIGHTS,
        "the registry has another model under that number",
        "./invoke promote --version production",
        "ClassRecallLow",
    ),
    Lesson("model", "bytes", FLIGHTS, "ModelDigestMismatch", "./invoke lineage"),
)


def found_by_why(yard, subject):
    """The diagnosis of a subject, from what is observed alone and with what is known to be on purpose."""
    facts = gather(yard.conn, yard.settings)
    blind = [held for held in diagnose(replace(facts, faults=())) if held.subject == subject]
    told = [held for held in diagnose(facts) if held.subject == subject]
    return (blind[0], told[0]) if blind else None


def alerts(yard):
    held = Prometheus(yard.conn.address("prometheus")).alerts()
    return {alert["labels"]["alertname"] for alert in held if alert["state"] == "firing"}


def changes_of(workspace):
    """What git sees as changed, and the data file where it is not the one that its pointer names."""
    argv = ["git", "-C", str(workspace), "status", "--porcelain"]
    changed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    named = pointer_md5((workspace / "data" / "flights.parquet.dvc").read_text())
    return changed + ("" if file_md5(workspace / "data" / "flights.parquet") == named else "the data file\n")


@pytest.fixture(autouse=True)
def nothing_stays_broken(lesson):
    """A lesson that failed is not the next one's trouble."""
    yield
    if in_force(lesson.conn):
        mend_faults(lesson.settings)


@pytest.mark.parametrize("lesson_of", LESSONS, ids=str)
def test_what_is_broken_is_named_by_its_true_cause_and_is_gone_when_it_is_mended(lesson, lesson_of):
    made = make_fault(lesson.settings, lesson_of.kind, how=lesson_of.how)
    assert in_force(lesson.conn) == [made]

    def named():
        found = found_by_why(lesson, lesson_of.subject)
        return found if found and lesson_of.cause in found[0].cause else None

    blind, told = wait_until(named, what=f"why to say {lesson_of.cause!r}", deadline_s=DEADLINE_S, interval_s=0.3)
    assert blind.next_command.startswith(lesson_of.command)
    assert told.cause == blind.cause
    assert told.fault == made
    assert told.next_command == f"./invoke mend {lesson_of.kind}"
    if lesson_of.alert:
        wait_until(lambda: lesson_of.alert in alerts(lesson), what=f"alert {lesson_of.alert}", deadline_s=DEADLINE_S)

    assert mend_faults(lesson.settings) == [made]
    assert in_force(lesson.conn) == []
    wait_until(
        lambda: found_by_why(lesson, lesson_of.subject) is None,
        what="why to find nothing",
        deadline_s=DEADLINE_S,
        interval_s=0.3,
        last_answer=lambda: str(found_by_why(lesson, lesson_of.subject)),
    )
    wait_until(lambda: lesson_of.alert not in alerts(lesson), what=f"{lesson_of.alert} to end", deadline_s=DEADLINE_S)
    assert len(lesson.predict("flights", [FLIGHT])) == 1
    assert not [path for path in (lesson.conn.layout.folder / "faults").rglob("*") if path.is_file()]
    assert changes_of(lesson.conn.layout.workspace) == ""


def test_a_second_fault_of_a_kind_is_refused_and_the_first_can_be_undone_after_a_second_up_and_a_down(lesson):
    made = make_fault(lesson.settings, "replica")
    with pytest.raises(FaultInForce, match="broken on purpose since"):
        make_fault(lesson.settings, "replica", how="hang")
    bring_up(lesson.settings)
    assert in_force(lesson.conn) == [made]
    take_down(lesson.settings)
    bring_up(lesson.settings)
    assert in_force(lesson.conn) == [made]
    assert mend_faults(lesson.settings) == [made]
    assert found_by_why(lesson, FLIGHTS) is None


def test_up_repairs_a_store_that_refuses_and_nothing_is_left_to_mend(lesson):
    make_fault(lesson.settings, "store", how="refuses")
    bring_up(lesson.settings)
    assert in_force(lesson.conn) == []
    assert found_by_why(lesson, "service objectstore") is None
    mend_faults(lesson.settings)
    assert found_by_why(lesson, "service objectstore") is None
