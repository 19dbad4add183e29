import threading

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from modelyard.board.metrics import make_registry
from modelyard.board.watching import IDLE_EVERY_S, WATCHED_EVERY_S, Look, Watcher, decide_interval_s, file_sizes
from modelyard.yard.status import ServiceStatus, YardStatus


def service(name, state, **options):
    told = {
        "ready": state == "ready",
        "optional": False,
        "pid": 1,
        "address": "",
        "memory_bytes": 1000,
        "uptime_s": 5.0,
        "restarts": 0,
        "told": "",
        "log_line": "",
        "next_command": "",
    }
    return ServiceStatus(name=name, state=state, **{**told, **options})


def yard(*services):
    return YardStatus("default", "/tmp/y", "local", "/tmp/y/kubeconfig", "http://127.0.0.1:1", services, ())


def samples(seen):
    told = generate_latest(make_registry(lambda: seen)).decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(told)
        for sample in family.samples
    }


def test_while_somebody_looks_the_yard_is_looked_at_often():
    assert decide_interval_s(100.0, 99.0) == WATCHED_EVERY_S


def test_when_nobody_has_looked_for_long_only_the_metrics_need_a_look():
    assert decide_interval_s(100.0, 10.0) == IDLE_EVERY_S
    assert decide_interval_s(100.0, float("-inf")) == IDLE_EVERY_S


def test_the_series_have_the_names_that_the_recording_rules_read():
    seen = Look(5.0, yard(service("mlflow", "ready", restarts=2)), "", {"mlflow": 1.5}, 10**9, 4096)
    assert samples(seen) == {
        ("modelyard_service_ready", "mlflow"): 1.0,
        ("modelyard_service_restarts_total", "mlflow"): 2.0,
        ("modelyard_service_memory_bytes", "mlflow"): 1000.0,
        ("modelyard_service_cpu_seconds_total", "mlflow"): 1.5,
        ("modelyard_disk_free_bytes",): 1e9,
        ("modelyard_log_bytes",): 4096.0,
        ("modelyard_yard_looked_at_seconds",): 5.0,
    }


def test_a_service_that_is_down_is_0_and_its_memory_is_not_known():
    found = samples(Look(5.0, yard(service("mlflow", "down", pid=None, memory_bytes=None))))
    assert found["modelyard_service_ready", "mlflow"] == 0.0
    assert ("modelyard_service_memory_bytes", "mlflow") not in found


def test_what_is_left_out_is_neither_up_nor_down():
    assert not any("grafana" in key for key in samples(Look(5.0, yard(service("grafana", "left out", pid=None)))))


def test_before_the_first_look_nothing_is_told():
    assert samples(None) == {}


def test_a_person_who_comes_back_does_not_wait_for_the_slow_interval():
    looks, seen = [], threading.Semaphore(0)

    def look_once():
        looks.append(1)
        seen.release()
        return Look(float(len(looks)), None)

    watcher = Watcher(look_once)
    watcher.start()
    assert seen.acquire(timeout=5)
    watcher.asked()
    assert seen.acquire(timeout=IDLE_EVERY_S / 2), "the second look waits for the slow interval"
    watcher.stop()


def test_a_log_that_goes_away_while_it_is_counted_has_no_size(tmp_path):
    (tmp_path / "a.log").write_text("12345")
    (tmp_path / "gone.log").symlink_to(tmp_path / "nothing")
    assert sum(file_sizes(tmp_path)) == 5
    assert list(file_sizes(tmp_path / "none")) == []
