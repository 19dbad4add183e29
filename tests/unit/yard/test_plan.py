"""What `up` decides from what it observes; the plans read as a person sees them with `invoke up --plan`."""

from modelyard.yard.marks import Marked
from modelyard.yard.plan import Observed, Seen, Wanted, find_ready_to_start, plan_up

STORE = Wanted("objectstore", (), "a1")
SERVING = Wanted("serving", ("objectstore",), "b1")
REPLICAS = Wanted("replicas", (), "c1", survivors=True)


def told(plan):
    return str(plan).splitlines()


def running(pid, digest, *, ready=True, state="RUNNING", uptime_s=5.0):
    return Seen(state=state, pid=pid, uptime_s=uptime_s, ready=ready, digest=digest)


def process(pid, service, parent=1, *, leads_session=False):
    return Marked(pid, 1000.0, service, parent, leads_session=leads_session)


def test_a_new_yard_starts_everything():
    assert told(plan_up([STORE, SERVING], Observed(None))) == [
        "start supervisor: none answers",
        "start objectstore: it is not running",
        "start serving: it is not running",
    ]


def test_a_yard_that_is_up_is_left_alone():
    seen = {"objectstore": running(11, "a1"), "serving": running(12, "b1")}
    marked = [process(10, "supervisor"), process(11, "objectstore", 10), process(12, "serving", 10)]
    plan = plan_up([STORE, SERVING], Observed(10, seen, marked))
    assert told(plan) == [
        "keep supervisor: it answers (pid 10)",
        "keep objectstore: ready (pid 11)",
        "keep serving: ready (pid 12)",
    ]
    assert plan.starts == ()


def test_children_of_a_killed_supervisor_are_ended_and_started_anew():
    marked = [process(11, "objectstore"), process(12, "replicas"), process(13, "objectstore", 11)]
    assert told(plan_up([STORE, REPLICAS], Observed(None, {}, marked))) == [
        "end objectstore (pid 11): it is of this yard, and nobody supervises it",
        "end replicas (pid 12): it is of this yard, and nobody supervises it",
        "end objectstore (pid 13): it is of this yard, and nobody supervises it",
        "start supervisor: none answers",
        "start objectstore: it is not running",
        "start replicas: it is not running",
    ]


def test_what_a_killed_supervisor_has_left_goes_on_until_its_successor_is_started():
    marked = [process(9, "supervisor"), process(11, "objectstore"), process(12, "gone"), process(13, "serving")]
    plan = plan_up([STORE, SERVING], Observed(None, {}, marked))
    assert [ended.pid for ended in plan.ends_first] == [9, 12]
    assert [ended.pid for ended in plan.ends_before("serving")] == [13]
    assert {ended.pid for ended in plan.end} == {9, 11, 12, 13}


def test_a_stray_beside_a_living_supervisor_is_ended_before_anything_is_started():
    marked = [process(10, "supervisor"), process(14, "serving"), process(15, "serving", 10)]
    plan = plan_up([SERVING], Observed(10, {"serving": running(15, "b1", ready=False)}, marked))
    assert [ended.pid for ended in plan.ends_first] == [14]
    assert plan.ends_before("serving") == ()


def test_model_servers_outlive_a_killed_supervisor_and_their_parent_does_not():
    served = process(13, "replicas", 12, leads_session=True)
    adopted = process(14, "replicas", leads_session=True)
    plan = plan_up([REPLICAS], Observed(None, {}, [process(12, "replicas"), served, adopted]))
    assert [ended.pid for ended in plan.end] == [12]


def test_a_session_of_its_own_saves_no_process_of_another_service():
    plan = plan_up([STORE], Observed(None, {}, [process(11, "objectstore", leads_session=True)]))
    assert [ended.pid for ended in plan.end] == [11]


def test_a_service_that_is_held_back_is_started_by_up_at_once():
    seen = Seen(state="RUNNING", pid=11, digest="a1", waits_s=12.0, short_lives=9)
    plan = plan_up(
        [STORE], Observed(10, {"objectstore": seen}, [process(10, "supervisor"), process(11, "objectstore", 10)])
    )
    assert told(plan)[-1] == "restart objectstore: it ended again and again, and is held back"


def test_a_supervisor_without_its_socket_is_ended_as_well():
    plan = plan_up([STORE], Observed(None, {}, [process(10, "supervisor")]))
    assert [ended.pid for ended in plan.end] == [10]


def test_a_worker_whose_parent_was_killed_is_ended_while_the_rest_goes_on():
    marked = [process(10, "supervisor"), process(11, "objectstore", 10), process(14, "serving")]
    seen = {"objectstore": running(11, "a1"), "serving": running(15, "b1", ready=False, state="STARTING")}
    plan = plan_up([STORE, SERVING], Observed(10, seen, [*marked, process(15, "serving", 10)]))
    assert [ended.pid for ended in plan.end] == [14]
    assert told(plan)[-1] == "keep serving: it is starting"


def test_model_servers_that_outlived_their_parent_are_left_to_the_next_one():
    marked = [process(10, "supervisor"), process(20, "replicas", 10), process(21, "replicas")]
    plan = plan_up([REPLICAS], Observed(10, {"replicas": running(20, "c1")}, marked))
    assert plan.end == ()


def test_a_grandchild_of_a_supervised_service_is_no_stray():
    marked = [process(10, "supervisor"), process(11, "objectstore", 10), process(16, "objectstore", 11)]
    assert plan_up([STORE], Observed(10, {"objectstore": running(11, "a1")}, marked)).end == ()


def test_a_service_whose_configuration_changed_is_restarted():
    plan = plan_up([STORE], Observed(10, {"objectstore": running(11, "old")}, [process(10, "supervisor")]))
    assert told(plan)[-1] == "restart objectstore: what it is started from has changed"
    assert plan.starts == ("objectstore",)


def test_a_service_that_hangs_is_restarted_after_a_minute_and_not_before():
    young = plan_up([STORE], Observed(10, {"objectstore": running(11, "a1", ready=False, uptime_s=59.0)}))
    old = plan_up([STORE], Observed(10, {"objectstore": running(11, "a1", ready=False, uptime_s=61.0)}))
    assert told(young)[-1] == "keep objectstore: it is running"
    assert told(old)[-1] == "restart objectstore: it has run for 61s and does not answer"


def test_a_service_that_gave_up_is_started_again():
    plan = plan_up([STORE], Observed(10, {"objectstore": Seen(state="FATAL", digest="a1")}))
    assert told(plan)[-1] == "start objectstore: it is fatal"


def test_a_service_waits_for_what_it_needs():
    needs = {"objectstore": (), "serving": ("objectstore",), "envoy": ("serving",), "mlflow": ()}
    assert find_ready_to_start(needs, set(), set()) == ["objectstore", "mlflow"]
    assert find_ready_to_start(needs, {"objectstore"}, {"objectstore", "mlflow"}) == ["serving"]
    assert find_ready_to_start(needs, {"objectstore"}, {"objectstore", "mlflow", "serving"}) == []


def test_a_need_that_is_left_out_holds_nothing_up():
    assert find_ready_to_start({"grafana": ("prometheus",)}, set(), set()) == ["grafana"]
