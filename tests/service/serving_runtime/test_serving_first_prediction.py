"""From an InferenceService to an answer, through Envoy and a real KServe model server."""

import httpx
import numpy as np
import psutil
import pytest


def probabilities(answer):
    return np.array([[p["probabilities"][c] for c in sorted(p["probabilities"])] for p in answer["predictions"]])


def test_an_mlflow_model_answers_what_scikit_learn_itself_says(runtime, deployed):
    deployed("flights", "one")
    answer = runtime.ask("flights", runtime.models["one"].body)
    assert answer.status_code == 200
    held = answer.json()
    np.testing.assert_allclose(probabilities(held), runtime.models["one"].truth, rtol=0, atol=1e-12)
    winners = np.array(["early", "late", "on_time"])[runtime.models["one"].truth.argmax(axis=1)]
    assert [p["class"] for p in held["predictions"]] == winners.tolist()

    rows = runtime.models["one"].rows
    inputs = [
        {"name": name, "shape": [len(rows)], "datatype": "BYTES" if name in ("carrier", "origin") else "FP64",
         "data": [None if value != value else value for value in rows[name].tolist()]}
        for name in rows.columns
    ]  # fmt: skip
    answer = runtime.ask("flights", {"id": "7", "inputs": inputs}, path="/v2/models/flights/infer").json()
    outputs = {output["name"]: output["data"] for output in answer["outputs"]}
    assert outputs["class"] == winners.tolist()
    np.testing.assert_allclose(outputs["late"], runtime.models["one"].truth[:, 1], rtol=0, atol=1e-12)

    url = held_url(runtime, "flights")
    assert url == f"http://flights.default.localhost:{runtime.conn.port('gateway')}"
    by_predictor_host = runtime.ask("flights", runtime.models["one"].body, host="flights-predictor.default.localhost")
    assert by_predictor_host.json() == held


def held_url(runtime, name):
    return runtime.status(name)["url"]


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"instances": [{"carrier": "AA"}]}, 400, "origin"),
        (
            {"instances": [{"carrier": "AA", "origin": "UA", "distance": "far", "wind": None, "hour": 1}]},
            400,
            "distance",
        ),
        ({"instances": [{"carrier": 7, "origin": "UA", "distance": 1, "wind": None, "hour": 1}]}, 400, "carrier"),
        ({"instances": [5]}, 400, "instance"),
        ({"instances": 5}, 400, "instances"),
        ({"rows": []}, 400, "instances"),
        ([], 400, "instances"),
    ],
)
def test_a_bad_request_is_told_and_harms_nobody(runtime, standing, body, status, told):
    before = [r.pid for r in runtime.replicas()]
    answer = runtime.ask(standing, body)
    assert answer.status_code == status, answer.text
    assert told in answer.json()["error"]
    assert runtime.ask(standing, runtime.models["one"].body).status_code == 200
    assert [r.pid for r in runtime.replicas()] == before


def test_the_gateway_tells_strangers_what_it_knows(runtime, standing):
    answer = runtime.ask(standing, {}, host="nobody.default.localhost")
    assert answer.status_code == 404
    assert f"{standing}.default.localhost" in answer.json()["known"]
    assert runtime.ask("none", {}, host=f"{standing}.default.localhost").status_code == 404
    assert httpx.get(f"{runtime.conn.address('envoy_stats')}/config_dump").status_code == 404
    assert "envoy_cluster" in httpx.get(f"{runtime.conn.address('envoy_stats')}/stats/prometheus").text


def test_every_socket_is_on_loopback_and_replicas_have_one_thread_of_openmp(runtime, standing):
    pids = [program.pid for program in runtime.programs.values()] + [r.pid for r in runtime.replicas()]
    listening = [c for c in psutil.net_connections("inet") if c.status == "LISTEN" and c.pid in pids]
    assert len(listening) >= 5
    assert {c.laddr.ip for c in listening} == {"127.0.0.1"}
    assert psutil.Process(runtime.replicas()[0].pid).environ()["OMP_NUM_THREADS"] == "1"


def test_a_plain_scikit_learn_model_answers_as_kserves_server_does(runtime, deployed):
    deployed("iris", "plain")
    model = runtime.models["plain"]
    assert runtime.ask("iris", {"instances": model.rows.to_numpy().tolist()}).json() == {
        "predictions": model.truth.tolist()
    }
    tensor = {"name": "x", "shape": list(model.rows.shape), "datatype": "FP64"}
    body = {"inputs": [{**tensor, "data": model.rows.to_numpy().ravel().tolist()}]}
    answer = runtime.ask("iris", body, path="/v2/models/iris/infer").json()
    assert answer["outputs"][0]["data"] == model.truth.tolist()
    too_narrow = runtime.ask("iris", {"instances": [[1.0]]})
    assert too_narrow.status_code == 500
    assert "4 features" in too_narrow.json()["error"]


def test_two_replicas_share_the_requests_of_one_download(runtime, deployed):
    deployed("flights", "two", minReplicas=2)
    assert len(runtime.replicas("flights-predictor-00001")) == 2
    assert {runtime.ask("flights", runtime.models["two"].body).status_code for _ in range(20)} == {200}
    cached = runtime.conn.layout.data("serving") / "models"
    assert not list(cached.glob(".part-*"))


@pytest.fixture
def standing(runtime):
    """An InferenceService that stays for the tests that do not change it."""
    if runtime.services.get("standing") is None:
        runtime.deploy("standing", "one")
    return "standing"
