import asyncio
import json
from pathlib import Path

import httpx
import pytest

from modelyard.board.__main__ import plotly_library
from modelyard.board.app import Board, create_app, is_local
from modelyard.board.metrics import make_registry
from modelyard.board.queries import Sources
from modelyard.board.watching import Look, Watcher

NOBODY = "http://127.0.0.1:9"
JSON = Path(__file__).parents[3] / "dashboards" / "json"


@pytest.fixture
def ask():
    """Asks the app in this process; Prometheus and Alertmanager do not answer."""

    def run(path, method="GET", **headers):
        async def once():
            sources = Sources(NOBODY, NOBODY)
            board = Board(
                sources=sources,
                watcher=Watcher(lambda: Look(1.0, None)),
                registry=make_registry(lambda: None),
                dashboards=JSON,
                plotly=plotly_library(),
                links=(),
                summaries={},
                scrape_interval_s=2,
            )
            transport = httpx.ASGITransport(create_app(board))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:7609") as client:
                answer = await client.request(method, path, headers=headers)
            await sources.close()
            return answer

        return asyncio.run(once())

    return run


@pytest.mark.parametrize("host", ["127.0.0.1:7609", "localhost", "localhost:7609", "LOCALHOST", "[::1]:7609", "[::1]"])
def test_this_machine_may_be_named_in_every_way(host):
    assert is_local(host)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7609", "127.0.0.1.evil.example", "", "[::1", "10.0.0.1"]
)
def test_a_page_of_a_stranger_that_resolves_to_this_machine_reads_nothing(ask, host):
    assert not is_local(host)
    assert ask("/api/yard", host=host).status_code == 421


def test_nothing_can_be_changed_through_the_board(ask):
    for path in ("/", "/api/yard", "/api/dashboards", "/api/dashboards/modelyard-overview/data"):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert ask(path, method).status_code == 405


def test_promql_of_the_askers_own_is_never_run(ask):
    path = "/api/dashboards/modelyard-service/data?panels=2&query=up&expr=up&var-namespace="
    assert ask(path + 'x"} or up{a="').status_code == 422
    assert json.loads(ask(path + "default").content)["state"] == "down"


def test_a_dashboard_or_panel_that_is_not_there_is_said_to_be_not_there(ask):
    assert ask("/api/dashboards/none/data").json() == {"error": "there is no dashboard none"}
    told = ask("/api/dashboards/modelyard-overview/data?panels=999")
    assert (told.status_code, told.json()["error"]) == (404, "dashboard modelyard-overview has no panel 999")


@pytest.mark.parametrize("query", ["panels=a", "panels=1&from=yesterday", "panels=1&from=now&to=now-1h"])
def test_what_cannot_be_meant_is_refused_with_what_is_allowed(ask, query):
    told = ask(f"/api/dashboards/modelyard-overview/data?{query}")
    assert told.status_code == 422
    assert "allowed" in told.json()["error"]


def test_the_page_loads_nothing_from_elsewhere(ask):
    told = ask("/")
    assert "default-src 'none'" in told.headers["content-security-policy"]
    assert "http" not in told.text.replace("http-equiv", "")


def test_the_chart_library_is_that_of_the_installed_package(ask):
    told = ask("/plotly.min.js")
    assert told.status_code == 200
    assert told.text.startswith("/**\n* plotly.js v")


def test_healthy_is_who_has_the_chart_library(ask):
    assert ask("/healthz").text == "ok\n"


def test_alertmanager_away_is_not_the_same_as_no_alert(ask):
    assert ask("/api/alerts").json() == {
        "state": "down",
        "told": "Alertmanager does not answer",
        "alerts": [],
    }
