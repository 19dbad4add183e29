"""Every recorded call to a cluster's API about InferenceServices, asked of a running control plane in the same order.

The recorded predictor is a container; here a model stands in its place, in requests and in expected answers alike.
What differs is listed in docs/kserve.md, or the test fails.
"""

import copy
import json
import re
import ssl
import threading

import httpx
import pytest

from modelyard.waiting import wait_until
from replay import ABSENT, Difference, by_name, differences, guide_of, recording, shown, without

pytestmark = pytest.mark.timeout(300)

ISVCS = "/apis/serving.kserve.io/v1beta1/namespaces/rec/inferenceservices"
VOLATILE = {"uid", "resourceVersion", "creationTimestamp", "lastTransitionTime", "managedFields", "continue"}
VOLATILE |= {"startTime", "startedAt", "pod-template-hash"}
VOLATILE |= {f"serving.knative.dev/{kind}UID" for kind in ("service", "configuration", "revision")}
RESTS = {"get/table", "patch/merge-canary", "get/canary-50", "patch/promote", "get/promoted", "get/rolled-back"}
"""Calls that were recorded after the service had come to rest."""
UNDER_WAY = {
    "get/just-created",
    "patch/json-canary-50",
    "get/canary-table",
    "replace/same",
    "delete/dry-run",
    "delete/ok",
}
"""Calls that were recorded while the controllers worked: their status is one of many moments."""


DELETED_UNREADY = "3"
"""Revision that the recorded cluster deleted before it was ready; whether ours is by then is a matter of luck."""


@pytest.fixture(scope="module")
def calls() -> list[dict]:
    return recording("kserve-api.json")["calls"]


NAMES = ("resource", "name", "version", "subresource", "type")
"""Fields that name the items of a list, so that an item that is missing is one difference."""
SUFFIX = r"-deployment-[a-z0-9]+(-[a-z0-9]{5})?"


class Replay:
    """Asks the running API what was asked of the cluster."""

    def __init__(self, runtime, calls):
        self.runtime, self.calls = runtime, {call["label"]: call for call in calls}
        headers = {"Authorization": f"Bearer {runtime.conn.credentials.kubernetes_token}"}
        verify = ssl.create_default_context(cafile=str(runtime.conn.layout.tls / "ca.pem"))
        self.client = httpx.Client(base_url=runtime.conn.address("kubernetes"), verify=verify, headers=headers)
        self.uri = runtime.models["plain"].uri

    def ours(self, value):
        """Recorded data with a model in the place of the container, and this machine's addresses."""
        if isinstance(value, list):
            return [self.ours(held) for held in value]
        if not isinstance(value, dict):
            domain = f"{self.runtime.conn.domain}:{self.runtime.conn.port('gateway')}"
            return re.sub(r"(?<=rec\.)example\.com", domain, value) if isinstance(value, str) else value
        held = {key: self.ours(child) for key, child in value.items()}
        containers = held.get("containers")
        is_predictor = isinstance(containers, list) and "nodeName" not in held
        if is_predictor and str(containers[0].get("image", "")).startswith("ko.local/u/iris"):
            del held["containers"]
            kept = {key: containers[0][key] for key in ("env", "resources") if key in containers[0]}
            held["model"] = {"modelFormat": {"name": "sklearn"}, "storageUri": self.uri, **kept}
        return held

    def expected(self, value):
        """Recorded data as KServe would have answered for a model: named and annotated, as recorded for sklearn."""
        made = self.ours(value)
        for obj in made.get("items", [made]) if isinstance(made, dict) else []:
            model = obj.get("spec", {}).get("predictor", {}).get("model") if isinstance(obj, dict) else None
            if model and model["storageUri"] == self.uri:
                model["name"] = ""
                annotations = obj["metadata"].get("annotations", {})
                obj["metadata"]["annotations"] = {"modelFormat": "sklearn", **annotations}
        return made

    def body_of(self, call):
        body = self.ours(call["request"]["body"])
        if call["label"].startswith("replace/"):
            present = self.client.get(f"{ISVCS}/flights").json()
            for key in ("uid", "creationTimestamp", "generation", "annotations"):
                body["metadata"][key] = present["metadata"][key]
            if body["metadata"].get("resourceVersion", "1") != "1":
                body["metadata"]["resourceVersion"] = present["metadata"]["resourceVersion"]
            body["spec"]["predictor"]["model"] = present["spec"]["predictor"]["model"]
        return body

    def send(self, call):
        request, body = call["request"], self.body_of(call)
        headers = {"Accept": request["accept"]}
        if request["content_type"]:
            headers["Content-Type"] = request["content_type"]
        content = None if body is None else body if isinstance(body, str) else json.dumps(body)
        return self.client.request(request["method"], request["path"], content=content, headers=headers)

    def patch(self, spec):
        answer = self.client.patch(
            f"{ISVCS}/flights", json={"spec": spec}, headers={"Content-Type": "application/merge-patch+json"}
        )
        answer.raise_for_status()

    def rest(self):
        """Wait until the service has come to rest."""

        def rests():
            held = self.client.get(f"{ISVCS}/flights").json()
            status, conditions = held.get("status", {}), held.get("status", {}).get("conditions", [])
            done = status.get("observedGeneration") == held["metadata"]["generation"]
            return done and {"Ready": "True"}.items() <= {c["type"]: c["status"] for c in conditions}.items()

        wait_until(rests, what="flights to come to rest", deadline_s=30, interval_s=0.05)

    def wait_for_canary(self, call):
        """Wait until the controller has taken the canary; whether its replica is ready by then is a matter of luck."""

        def taken():
            return self.send(call).json()["rows"][0]["cells"][3] == 90

        wait_until(taken, what="the canary to have its share", deadline_s=60, interval_s=0.02)

    def compare(self, call, answer):
        """Differences of an answer: status code, content type, warnings and body."""
        label, response = call["label"], call["response"]
        is_json = answer.headers.get("content-type", "").startswith("application/json")
        told = answer.json() if is_json and response["body"] not in (None, "") else answer.text
        if label == "watch/too-old":
            told = json.loads(answer.text)
            told["object"]["message"] = re.sub(r"\(\d+\)", "(1473)", told["object"]["message"])
        if label == "bad/generate-name":
            told["metadata"]["name"] = re.sub(r"-[a-z0-9]{5}$", "-d9z7g", told["metadata"]["name"])
        body, told = self.expected(copy.deepcopy(response["body"])), copy.deepcopy(told)
        pair = [{"body": body}, {"body": told}]
        for held, status, kind, warning in (
            (pair[0], response["status"], response["content_type"], response["warning"]),
            (
                pair[1],
                answer.status_code,
                answer.headers.get("content-type"),
                answer.headers.get_list("warning") or None,
            ),
        ):
            held |= {"code": status, "type": kind, "warning": warning}
            if label in UNDER_WAY and isinstance(held["body"], dict):
                held["body"].pop("status", None)
            if label.endswith("table"):
                for row in held["body"]["rows"]:
                    row["cells"][-1] = "an age"
                    if label == "get/canary-table":
                        row["cells"][2] = row["cells"][6] = "ready or not yet"
            held["body"] = without(held["body"], VOLATILE)
            if label == "discovery/aggregated-apis":
                for resource in walk(held["body"], "verbs"):
                    resource["verbs"].sort()
            if label.startswith("discovery/") and isinstance(held["body"], dict):
                named = [item | item.pop("metadata") for item in held["body"].get("items", [])]
                held["body"] = by_name({**held["body"], **({"items": named} if named else {})}, NAMES)
            if label == "get/pods":
                held["body"] = by_name(json.loads(re.sub(SUFFIX, "-HASH-LETTERS", json.dumps(held["body"]))), NAMES)
        if pair[0]["code"] != pair[1]["code"] or kind_of(pair[0]) != kind_of(pair[1]):
            pair = [{"code": held["code"], "body": shown(held["body"])} for held in pair]
        return differences(f"api:{label}", *pair)


def walk(value, key):
    """Every object at any depth that has this key."""
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return ([value] if isinstance(value, dict) and key in value else []) + [
        found for child in children for found in walk(child, key)
    ]


def kind_of(held):
    return held["body"].get("kind") if isinstance(held["body"], dict) else None


@pytest.fixture(scope="module")
def watched(runtime):
    """Events of the namespace while the calls are replayed."""
    seen, began = [], threading.Event()
    replay = Replay(runtime, [])

    def watch():
        with replay.client.stream("GET", f"{ISVCS}?watch=true&timeoutSeconds=100", timeout=None) as answer:
            began.set()
            for line in answer.iter_lines():
                seen.append(json.loads(line))
                if seen[-1]["type"] == "DELETED":
                    return

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert began.wait(10)
    yield seen
    watcher.join(30)
    replay.client.close()


@pytest.fixture(scope="module")
def replayed(runtime, calls, watched):
    """Differences by label, of every call in the recorded order."""
    replay = Replay(runtime, calls)
    made = replay.client.post("/api/v1/namespaces", json={"metadata": {"name": "rec"}})
    assert made.status_code == 201
    found = {}
    for call in calls:
        label = call["label"]
        if label == "get/rolled-back":
            replay.patch({"predictor": {"canaryTrafficPercent": 0}})
        if label in RESTS:
            replay.rest()
        if label == "get/canary-table":
            replay.wait_for_canary(call)
        found[label] = replay.compare(call, replay.send(call))
    yield found
    replay.client.delete("/api/v1/namespaces/rec")
    wait_until(
        lambda: not [r for r in runtime.replicas() if r.spec.namespace == "rec"],
        what="replicas of the replay to end",
        deadline_s=30,
    )
    replay.client.close()


def test_every_recorded_call_is_answered_as_recorded_or_the_guide_says_why(replayed, calls, capsys):
    guide = guide_of("api")
    unlisted = [line for label in replayed for line in guide.unlisted(replayed[label])]
    same = sum(not found for found in replayed.values())
    with capsys.disabled():
        print(f"\n{len(replayed)} of {len(calls)} recorded API calls replayed: {same} equal, ", end="")
        print(f"{len(replayed) - same} with {sum(map(len, replayed.values()))} differences")
    assert len(replayed) == len(calls) == 71
    assert not unlisted, "not listed in docs/kserve.md:\n" + "\n".join(unlisted)
    assert not guide.stale, f"listed in docs/kserve.md, but there is no such difference any more: {guide.stale}"


def test_the_watch_shows_what_the_recorded_watch_shows_in_its_order(replayed, watched, capsys):
    theirs = moments([held["event"] for held in recording("kserve-api.json")["watch"]])
    wait_until(lambda: watched[-1]["type"] == "DELETED", what="the delete to be seen", deadline_s=60)
    ours, at, found = moments(watched), 0, []
    for moment in ours:
        if moment[2][1] == DELETED_UNREADY:
            continue
        if moment in theirs[at:]:
            at += theirs[at:].index(moment)
        else:
            why = "out of order" if moment in theirs else "never recorded"
            found.append(Difference(f"watch:{moment[0]}", why, ABSENT, moment))
    guide = guide_of("watch")
    unlisted = guide.unlisted(found)
    with capsys.disabled():
        print(
            f"\n{len(watched)} events watched, {len(ours)} moments of {len(theirs)} recorded ones, {len(found)} differ"
        )
    assert not unlisted, "not listed in docs/kserve.md:\n" + "\n".join(unlisted)
    assert guide.stale == []
    assert (ours[0], ours[-1][0]) == (theirs[0], "DELETED")


def moments(events):
    """What an InferenceService went through, without repetitions: type, readiness, revisions, traffic, model."""
    found = []
    for event in events:
        obj = event["object"]
        if obj["metadata"].get("name") != "flights":
            continue
        status = obj.get("status", {})
        predictor = status.get("components", {}).get("predictor", {})
        ready = {held["type"]: held["status"] for held in status.get("conditions", [])}.get("Ready")
        kinds = ("latestCreatedRevision", "latestReadyRevision", "latestRolledoutRevision", "previousRolledoutRevision")
        names = tuple(predictor.get(kind, "")[-1:] for kind in kinds)
        traffic = tuple(
            (entry["revisionName"][-1:], entry["percent"], entry.get("tag"), entry["latestRevision"])
            for entry in predictor.get("traffic", [])
        )
        model = status.get("modelStatus", {})
        states = (model.get("transitionStatus"), tuple(sorted(model.get("states", {}).items())))
        moment = (event["type"], ready, names, traffic, states, "url" in status)
        if not found or found[-1] != moment:
            found.append(moment)
    return found


def test_a_difference_is_seen(replayed, calls):
    call = next(call for call in calls if call["label"] == "create/already-exists")
    body = call["response"]["body"]
    assert differences("api:x", body, body) == []
    (found,) = differences("api:x", body, {key: value for key, value in body.items() if key != "reason"})
    assert (found.path, found.answered) == ("reason", ABSENT)
    assert guide_of("api", "| a | `api:y reason` |").unlisted([found]) == [str(found)]
    assert guide_of("api", "| a | `api:* rea*` |").unlisted([found]) == []
