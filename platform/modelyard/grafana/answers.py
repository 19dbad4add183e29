"""Asks every panel's queries, of Grafana as a browser does, or of Prometheus itself where there is no Grafana."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from modelyard.connections import Connections
from modelyard.grafana.lint import DATA_SOURCES
from modelyard.grafana.questions import Board, Panel, Question, filled, values_query

State = Literal["answers", "no data", "fails"]
POINTS = 300
DEADLINE_S = 15.0


@dataclass(frozen=True)
class Answer:
    """What a query found: its series by their labels, or why there was no answer."""

    series: tuple[Mapping[str, str], ...] = ()
    error: str = ""


@dataclass(frozen=True)
class PanelAnswer:
    """How a panel fares: `told` says what failed, or how many series there are."""

    board: str
    panel: str
    state: State
    told: str


class Source(Protocol):
    """Who is asked."""

    def ask(self, questions: Sequence[Question], since: str, range_s: int) -> list[Answer]:
        """An answer for each question, in their order."""

    def alerts(self) -> Answer:
        """Whether Alertmanager answers."""


class Prometheus:
    """Prometheus' and Alertmanager's own APIs."""

    def __init__(self, conn: Connections) -> None:
        self._prometheus, self._alertmanager = conn.address("prometheus"), conn.address("alertmanager")

    def ask(self, questions: Sequence[Question], since: str, range_s: int) -> list[Answer]:
        """Each question by a request of its own."""
        return [self._one(asked, range_s) for asked in questions]

    def _one(self, asked: Question, range_s: int) -> Answer:
        now = time.time()
        if asked.instant:
            path, params = "query", {"query": asked.promql, "time": now}
        else:
            step_s = max(1, range_s // POINTS)
            path, params = "query_range", {"query": asked.promql, "start": now - range_s, "end": now, "step": step_s}
        return self._get(f"{self._prometheus}/api/v1/{path}", params)

    def alerts(self) -> Answer:
        """Alertmanager's groups of alerts."""
        return self._get(f"{self._alertmanager}/api/v2/alerts/groups", {})

    def _get(self, address: str, params: Mapping[str, Any]) -> Answer:
        import httpx

        try:
            held = httpx.get(address, params=dict(params), timeout=DEADLINE_S, trust_env=False).json()
        except (httpx.HTTPError, ValueError) as error:
            return Answer(error=f"{type(error).__name__}: {error}")
        if isinstance(held, list):
            return Answer(tuple({} for _ in held))
        if held.get("status") != "success":
            return Answer(error=str(held.get("error", held)))
        result = held["data"]["result"] if held["data"]["resultType"] != "scalar" else [{"metric": {}}]
        return Answer(tuple(series["metric"] for series in result))


class Grafana:
    """Grafana's query API, through grafana-client: the same requests as those of a panel in a browser."""

    def __init__(self, api: Any) -> None:
        self._api = api

    def ask(self, questions: Sequence[Question], since: str, range_s: int) -> list[Answer]:
        """All questions of a panel in one request."""
        queries = [
            {
                "refId": asked.ref_id,
                "datasource": {"type": "prometheus", "uid": DATA_SOURCES["prometheus"]},
                "expr": asked.promql,
                "instant": asked.instant,
                "range": not asked.instant,
                "format": asked.form,
                "intervalMs": max(1, range_s // POINTS) * 1000,
                "maxDataPoints": POINTS,
            }
            for asked in questions
        ]
        held = self._request("POST", "/ds/query", {"queries": queries, "from": since, "to": "now"})
        if isinstance(held, str):
            return [Answer(error=held) for _ in questions]
        return [read_frames(held.get("results", {}).get(asked.ref_id)) for asked in questions]

    def alerts(self) -> Answer:
        """What the panel of alerts asks: Alertmanager through Grafana."""
        held = self._request("GET", f"/alertmanager/{DATA_SOURCES['alertmanager']}/api/v2/alerts/groups")
        return Answer(error=held) if isinstance(held, str) else Answer(tuple({} for _ in held))

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The answer as JSON, or, as text, why there is none."""
        import requests
        from grafana_client.client import GrafanaException

        try:
            return self._api.client.POST(path, json=dict(body)) if body else self._api.client.GET(path)
        except GrafanaException as error:
            results = error.response.get("results", {}) if isinstance(error.response, Mapping) else {}
            return "; ".join(held["error"] for held in results.values() if "error" in held) or str(error)
        except requests.RequestException as error:
            return f"{type(error).__name__}: {error}"


def read_frames(result: Mapping[str, Any] | None) -> Answer:
    """One query's part of an answer of /api/ds/query: data frames, of which the empty ones are no series.

    Each field that is no time is one series, except in a table, whose rows are.
    """
    if result is None:
        return Answer(error="Grafana's answer leaves the query out")
    if result.get("error"):
        return Answer(error=str(result["error"]))
    series: list[Mapping[str, str]] = []
    for frame in result.get("frames", []):
        fields, columns = frame["schema"]["fields"], frame["data"]["values"]
        named = [place for place, field in enumerate(fields) if field["type"] == "string"]
        if named and columns[0]:
            series += [
                {fields[place]["name"]: columns[place][row] for place in named} for row in range(len(columns[0]))
            ]
            continue
        held = zip(fields, columns, strict=True)
        series += [field.get("labels") or {} for field, values in held if field["type"] != "time" and values]
    return Answer(tuple(series))


def ask_board(source: Source, board: Board) -> list[PanelAnswer]:
    """Every panel of a dashboard, with the first value of each variable."""
    values = choose_values(source, board)
    return [ask_panel(source, board, panel, values) for panel in board.panels]


def choose_values(source: Source, board: Board) -> dict[str, str]:
    """The first value of each variable in order; nothing where there is none, as a fresh dashboard has it."""
    values: dict[str, str] = {}
    for name, query in board.variables:
        promql, label = values_query(query, values)
        (found,) = source.ask([Question("A", promql, True, "time_series")], board.since, board.range_s)
        values[name] = min((series[label] for series in found.series if label in series), default="")
    return values


def ask_panel(source: Source, board: Board, panel: Panel, values: Mapping[str, str]) -> PanelAnswer:
    """One panel: it answers where any of its queries finds something, and fails where any is not answered."""
    if panel.type == "alertGroups":
        alerts = source.alerts()
        state: State = "fails" if alerts.error else "answers"  # to hold no alert is an answer
        return PanelAnswer(board.title, panel.title, state, alerts.error or f"{len(alerts.series)} groups")
    answers = source.ask(filled(panel, values), board.since, board.range_s)
    return PanelAnswer(board.title, panel.title, *decide_state(answers))


def decide_state(answers: Sequence[Answer]) -> tuple[State, str]:
    """A panel's state by the answers to its queries, and what is told of it."""
    errors = [answer.error for answer in answers if answer.error]
    if errors:
        return "fails", errors[0]
    found = sum(len(answer.series) for answer in answers)
    return ("answers", f"{found} series") if found else ("no data", "no series")
