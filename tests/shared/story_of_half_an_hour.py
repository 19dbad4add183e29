"""Half an hour of a story as Prometheus would have recorded it: traffic, drift, a canary that is under way, and alerts.

Made by formulas, so that a test knows what has to be seen: 15 columns of which `dewp` drifts for ten minutes, revision
00001 with nine tenths of the traffic and 00003 with one tenth in the last ten minutes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from modelyard.yard.status import ServiceStatus, YardStatus

LENGTH_S, STEP_S = 1800, 10
AFTER_S = 1800
"""It goes on for so long: a slow machine still has the present in it."""
DRIFT_FROM_S, CANARY_FROM_S = 600, 1200
COLUMNS = ("carrier", "dep_delay", "dest", "dewp", "distance", "humid", "origin", "pressure", "visib", "wind_speed")
CLASSES = ("early", "late", "on_time", "very_late")
SERVICES = ("objectstore", "mlflow", "prometheus", "alertmanager", "replicas", "serving", "envoy", "monitor", "board")
OWNER = {"namespace": "default", "inferenceservice": "flights"}
BUCKETS_MS = ("5", "10", "25", "50", "100", "250", "+Inf")
Value = Callable[[int], float | None]


def series() -> Iterator[tuple[str, dict[str, str], Value]]:
    """Name, labels and value at each second of the half hour; None where there is no sample."""
    for revision, share in (("flights-predictor-00001", old_share), ("flights-predictor-00003", new_share)):
        yield from _revision({**OWNER, "revision": revision}, share)
    for version, share in (("1", old_share), ("2", new_share)):
        yield from _version({**OWNER, "model_version": version}, share)
    for service in SERVICES:
        yield "service_ready", {"service": service}, lambda at, s=service: 0 if s == "mlflow" and 300 < at < 420 else 1
        yield "service_restarts", {"service": service}, lambda at, s=service: 1 if s == "mlflow" and at > 420 else 0
        yield "memory_bytes", {"service": service}, lambda at, s=service: (20 + len(s) * 9) * 2.0**20
        yield "cpu_cores:rate", {"service": service}, lambda at, s=service: 0.01 * len(s) * (1 + math.sin(at / 90) / 2)
    yield "disk_free_bytes", {}, lambda at: (66 - at / 900) * 2.0**30
    yield "log_bytes", {}, lambda at: at * 2000.0
    yield "traffic_change_timestamp_seconds", {**OWNER, "model_version": "2", "change": "canary"}, None
    alert = {**OWNER, "alertname": "InputDrift", "model_version": "1"}
    yield "alerts_firing", alert, lambda at: 1 if DRIFT_FROM_S + 60 < at < 1500 else None


def old_share(at: int) -> float:
    return 1.0 if at < CANARY_FROM_S else 0.9


def new_share(at: int) -> float | None:
    return None if at < CANARY_FROM_S else 0.1


def _revision(
    labels: dict[str, str], share: Callable[[int], float | None]
) -> Iterator[tuple[str, dict[str, str], Value]]:
    def rate(at: int) -> float | None:
        part = share(at)
        return None if part is None else part * (60 + 25 * math.sin(at / 160))

    yield "requests:rate", labels, rate
    yield "errors:rate", labels, lambda at: None if rate(at) is None else 0.0
    yield "error_ratio", labels, lambda at: None if rate(at) is None else 0.0
    yield "traffic_ratio", labels, share
    yield "traffic_target_ratio", labels, share
    yield "replicas_ready", labels, lambda at: None if share(at) is None else 1
    yield "replicas_requested", labels, lambda at: None if share(at) is None else 1
    yield "requests_in_flight", labels, lambda at: None if share(at) is None else float(at // 60 % 5)
    version = "1" if labels["revision"].endswith("1") else "2"
    yield "model_info", {**labels, "model_version": version}, lambda at: None if share(at) is None else 1
    for quantile, wait_s in (("p50", 0.02), ("p95", 0.06), ("p99", 0.11)):
        yield f"latency_seconds:{quantile}", labels, lambda at, w=wait_s: None if share(at) is None else w
    if version == "1":
        for place, le in enumerate(BUCKETS_MS):
            whole = {**OWNER, "le": le}
            yield (
                "latency_bucket:rate",
                whole,
                lambda at, p=place: 60 * min(1.0, (p / 5) ** 2 * (1 + math.sin(at / 200) / 4)),
            )


def _version(
    labels: dict[str, str], share: Callable[[int], float | None]
) -> Iterator[tuple[str, dict[str, str], Value]]:
    old = labels["model_version"] == "1"

    def there(value: Value) -> Value:
        return lambda at: None if share(at) is None else value(at)

    def drifted(at: int) -> bool:
        return old and at >= DRIFT_FROM_S

    yield "version_traffic_ratio", labels, share
    yield "rows_total", labels, there(lambda at: at * 2.0)
    yield "truths_total", labels, there(lambda at: at * 1.8)
    yield "drift_columns", labels, there(lambda at: 1 if drifted(at) else 0)
    yield "accuracy_ratio", labels, there(lambda at: 0.55 if drifted(at) else 0.68)
    yield "log_loss", labels, there(lambda at: 0.94 if drifted(at) else 0.79)
    yield "recall_breaches_in_a_row", {**labels, "class": "early"}, there(lambda at: 2 if drifted(at) else 0)
    for place, name in enumerate(COLUMNS):
        far = there(lambda at, n=name, p=place: 2.4 if n == "dewp" and drifted(at) else 0.1 + 0.06 * p)
        yield "drift_ratio", {**labels, "column": name}, far
        yield "drift_distance", {**labels, "column": name}, far
    for place, name in enumerate(CLASSES):
        yield "recall_ratio", {**labels, "class": name}, there(lambda at, p=place: 0.3 + 0.15 * p - 0.1 * drifted(at))
        yield "prediction_ratio", {**labels, "class": name}, there(lambda at, p=place: (0.1, 0.2, 0.6, 0.1)[p])
        wrong = {**labels, "truth": name, "predicted": CLASSES[(place + 1) % 4]}
        yield "wrong_predictions_total", wrong, there(lambda at, p=place: at * 0.05 * (p + 1))
    for side, shift in (("reference", 0), ("current", 2)):
        for place in range(8):
            told = {
                **labels,
                "column": "dewp",
                "side": side,
                "bin": str(place),
                "range": f"{place * 10} to {place * 10 + 10}",
            }
            yield (
                "distribution_ratio",
                told,
                there(lambda at, p=place, s=shift: math.exp(-((p - 2.5 - s) ** 2) / 4) / 3.5),
            )


def openmetrics(now_s: float) -> str:
    """The half hour that ends now, and what comes after it, as promtool reads it."""
    begun_s = int(now_s) - LENGTH_S
    lines: dict[str, list[str]] = {}
    for name, labels, value in series():
        told = ",".join(f'{key}="{text}"' for key, text in labels.items())
        for at in range(0, LENGTH_S + AFTER_S, STEP_S):
            held = begun_s + CANARY_FROM_S if value is None else value(at)
            if held is not None and (value is not None or at >= CANARY_FROM_S):
                lines.setdefault(f"modelyard:{name}", []).append(f"modelyard:{name}{{{told}}} {held} {begun_s + at}")
    return "".join(f"# TYPE {name} gauge\n" + "\n".join(held) + "\n" for name, held in lines.items()) + "# EOF\n"


def service(name: str, state: str = "ready", **changes: object) -> ServiceStatus:
    """A service as `status` tells it."""
    told = {
        "ready": state == "ready",
        "optional": name == "grafana",
        "pid": None if state in ("left out", "down") else 4000 + len(name),
        "address": "http://127.0.0.1:1",
        "memory_bytes": None if state in ("left out", "down") else len(name) * 8 * 2**20,
        "uptime_s": 100.0,
        "restarts": 0,
        "told": "it answers" if state == "ready" else "",
        "log_line": "",
        "next_command": "",
    }
    return ServiceStatus(name=name, state=state, **{**told, **changes})


def revision(name: str, percent: int, version: str, ready: int = 1) -> dict[str, object]:
    """A revision as `status` tells it."""
    return {"name": name, "percent": percent, "model_version": version, "replicas": ready, "replicas_ready": ready}


def inferenceservice(*revisions: dict[str, object], **changes: object) -> dict[str, object]:
    """An InferenceService as `status` tells it."""
    told = {"name": "flights", "namespace": "default", "ready": True, "stopped": False, "url": "", "model_version": "2"}
    return {**told, "traffic": [], "conditions": [], "revisions": list(revisions), **changes}


def yard_of(services: list[ServiceStatus], *held: dict[str, object]) -> YardStatus:
    """A yard as `status` tells it."""
    return YardStatus(
        "class", "/tmp/class", "local", "/tmp/class/kubeconfig", "http://127.0.0.1:1", tuple(services), held
    )


def yard_during_canary() -> YardStatus:
    """Every service ready, and two revisions in the traffic."""
    held = inferenceservice(revision("flights-predictor-00003", 10, "2"), revision("flights-predictor-00001", 90, "1"))
    return yard_of([*map(service, SERVICES), service("grafana", "left out")], held)
