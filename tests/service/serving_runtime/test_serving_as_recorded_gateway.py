"""The recorded calls to a model through a cluster's gateway, what its logger sent, and what each part exposes.

Asked of a running service with a canary, as recorded. What differs is listed in docs/kserve.md, or the test fails.
"""

import json
import re
import ssl

import httpx
import pytest

from modelyard.kube import InferenceServices
from modelyard.waiting import wait_until
from replay import ABSENT, Difference, differences, guide_of, recording

pytestmark = pytest.mark.timeout(300)

TRANSPORT = {"Host", "User-Agent", "Content-Length", "Accept-Encoding"}
LOGGED = [("GET", "/v2/health/ready", None), ("GET", "/v2", None), ("GET", "/v2/models/none/ready", None)]
LOGGED += [("POST", "/v1/models/iris:predict", '{"instances":')]
"""Requests whose events were recorded."""


@pytest.fixture(scope="module")
def api(runtime):
    """The API with its token."""
    verify = ssl.create_default_context(cafile=str(runtime.conn.layout.tls / "ca.pem"))
    headers = {"Authorization": f"Bearer {runtime.conn.credentials.kubernetes_token}"}
    with httpx.Client(base_url=runtime.conn.address("kubernetes"), verify=verify, headers=headers) as client:
        yield client


@pytest.fixture(scope="module")
def iris(runtime, api):
    """The recorded service: a model `iris` in the namespace `demo`, half of its traffic to a second revision."""
    api.post("/api/v1/namespaces", json={"metadata": {"name": "demo"}}).raise_for_status()
    services = InferenceServices(runtime.conn.kubeconfig, "demo")
    model = {"modelFormat": {"name": "sklearn"}, "storageUri": runtime.models["plain"].uri}
    named = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": {"name": "iris"}}
    for version, percent in (("v1", None), ("v2", 50)):
        env = [{"name": "MODEL_VERSION", "value": version}]
        made = services.apply(
            {**named, "spec": {"predictor": {"canaryTrafficPercent": percent, "model": model | {"env": env}}}}
        )
        services.wait_ready("iris", generation=made["metadata"]["generation"], deadline_s=60)
    yield services
    api.delete("/api/v1/namespaces/demo").raise_for_status()
    wait_until(
        lambda: not [r for r in runtime.replicas() if r.spec.namespace == "demo"],
        what="replicas of iris to end",
        deadline_s=30,
    )


def ask(runtime, method, path, body, host):
    host = host.replace("example.com", runtime.conn.domain)
    headers = {"Host": host} | ({"Content-Type": "application/json"} if method == "POST" else {})
    return httpx.request(method, runtime.conn.gateway + path, content=body, headers=headers, timeout=30)


def read(text):
    try:
        return json.loads(text)
    except ValueError:
        return text


def told_by(status, headers, body):
    """What of an answer is compared: times and lengths are not."""
    kept = {name: headers.get(name) for name in ("content-type", "server")}
    return {"code": status, "headers": kept, "body": read(body)}


def check(part, found, capsys, counted):
    guide = guide_of(part)
    unlisted = guide.unlisted(found)
    calls = {difference.call for difference in found}
    with capsys.disabled():
        print(f"\n{counted}, {len(calls)} with differences ({len(found)} in all)")
    assert not unlisted, "not listed in docs/kserve.md:\n" + "\n".join(unlisted)
    assert not guide.stale, f"listed in docs/kserve.md, but there is no such difference any more: {guide.stale}"


def test_every_recorded_prediction_is_answered_as_recorded_or_the_guide_says_why(runtime, iris, capsys):
    calls, found = recording("data-plane.json")["calls"], []
    for call in calls:
        request, response = call["request"], call["response"]
        answer = ask(runtime, request["method"], request["path"], request["body"], request["host"])
        recorded = told_by(response["status"], response["headers"], response["body"])
        found += differences(
            f"data:{call['label']}", recorded, told_by(answer.status_code, answer.headers, answer.text)
        )
    check("data", found, capsys, f"{len(calls)} recorded gateway calls replayed")
    assert len(calls) == 24


def test_every_recorded_series_is_exposed_or_the_guide_says_why(runtime, api, iris, capsys):
    for _ in range(4):
        ask(runtime, "POST", "/v1/models/iris:predict", '{"instances":[[5.1,3.5,1.4,0.2]]}', "iris.demo.example.com")
    wait_until(
        lambda: "kn_revision_concurrency_panic{" in api.get("/metrics").text,
        what="the autoscaler to have looked",
        deadline_s=60,
    )
    replica = next(r for r in runtime.replicas() if r.spec.namespace == "demo")
    stats = runtime.conn.address("envoy_stats")
    served = httpx.get(f"{replica.address}/metrics").text
    exposed = {
        "activator": httpx.get(f"{stats}/activator/metrics").text,
        "autoscaler": api.get("/metrics").text,
        "envoy": httpx.get(f"{stats}/stats/prometheus").text,
        "kserve-py": served,
        "qp-9091": served,
    }
    names, found = recording("metric-names.json"), []
    for part, text in exposed.items():
        found += series_differences(f"metrics:{part}", names[part], series_of(text))
    total = sum(map(len, names.values()))
    check("metrics", found, capsys, f"{total} recorded series of {len(names)} parts looked for")
    assert total == 564


def series_of(text):
    """Type and labels of each series in an exposition."""
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    labels = {name: set() for name in types}
    for name, held in re.findall(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? ", text, re.M):
        base = next(
            (name.removesuffix(end) for end in ("_bucket", "_sum", "_count") if name.removesuffix(end) in types), name
        )
        labels.setdefault(base, set()).update(set(re.findall(r'(\w+)="', held)) - {"le"})
    return {name: {"type": types.get(name, "untyped"), "labels": held} for name, held in labels.items()}


def series_differences(part, recorded, exposed):
    """Recorded series that are missing, of another type, or without a label; more labels are no difference."""
    found = []
    for name, series in recorded.items():
        if name not in exposed:
            found.append(Difference(part, name, series["type"], ABSENT))
        elif exposed[name]["type"] != series["type"]:
            found.append(Difference(part, f"{name}.type", series["type"], exposed[name]["type"]))
        else:
            missing = sorted(set(series["labels"]) - exposed[name]["labels"])
            found += [Difference(part, f"{name}.labels.{label}", label, ABSENT) for label in missing]
    return found


def test_every_recorded_event_is_sent_as_recorded_or_the_guide_says_why(runtime, iris, receiver, capsys):
    logger = {"mode": "all", "url": receiver.url}
    made = iris.patch("iris", {"spec": {"predictor": {"canaryTrafficPercent": None, "logger": logger}}})
    iris.wait_ready("iris", generation=made["metadata"]["generation"], deadline_s=60)
    receiver.events.clear()
    recorded, found = recording("payload-cloudevents.json")["events"], []
    for count, (method, path, body) in zip((2, 4, 5, 6), LOGGED, strict=True):
        ask(runtime, method, path, body, "iris-predictor.demo.example.com")
        wait_until(lambda count=count: len(receiver.events) >= count, what=f"{count} events", deadline_s=60)
    # A request and its response travel side by side; which is there first is a matter of luck.
    ids = [headers["Ce-Id"] for headers, _ in receiver.events]
    events = sorted(receiver.events, key=lambda event: (ids.index(event[0]["Ce-Id"]), event[0]["Ce-Type"]))
    for number, event in enumerate(recorded):
        headers, body = events[number]
        pairs = zip(event_told(event["headers"], event["body"]), event_told(headers, body.decode()), strict=True)
        for part, (theirs, ours) in zip(("headers", "body"), pairs, strict=True):
            found += differences(f"events:{number}", theirs, ours, part)
    check("events", found, capsys, f"{len(recorded)} recorded CloudEvents replayed")
    assert len(events) == len(recorded) == 6
    assert_pairs_share_an_id(recorded, events)


def event_told(headers, body):
    kept = {key: value for key, value in headers.items() if key not in TRANSPORT}
    kept["Ce-Id"] = re.sub(r"[0-9a-f]", "x", kept["Ce-Id"])
    for key in ("Ce-Time", "Ce-Recordedtime"):
        # Go leaves zeros at the end out.
        kept[key] = re.sub(r"\d", "0", re.sub(r"\.\d+Z", ".0Z", kept[key]))
    return kept, read(body)


def assert_pairs_share_an_id(recorded, events):
    theirs = [event["headers"]["Ce-Id"] for event in recorded]
    ours = [headers["Ce-Id"] for headers, _ in events]
    assert [ours.index(held) for held in ours] == [theirs.index(held) for held in theirs]
