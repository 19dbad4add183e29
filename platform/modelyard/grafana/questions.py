"""What a dashboard asks: its panels with their queries, and the variables to be filled in first."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelyard.errors import FileDamaged

LABEL_VALUES = re.compile(r"label_values\((?P<selector>.+),\s*(?P<label>\w+)\)", re.DOTALL)
PLACE = re.compile(r"\$\{?(\w+)\}?")


@dataclass(frozen=True)
class Question:
    """One query of a panel. `form` is time_series, table or heatmap; `instant` asks for now, else for the range."""

    ref_id: str
    promql: str
    instant: bool
    form: str


@dataclass(frozen=True)
class Panel:
    """A panel that asks something; one of the type alertGroups asks Alertmanager and has no questions."""

    title: str
    type: str
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class Board:
    """A dashboard: `since` is the beginning of its time range (now-30m), `variables` name and query in order."""

    uid: str
    title: str
    since: str
    variables: tuple[tuple[str, str], ...]
    panels: tuple[Panel, ...]
    held: Mapping[str, Any]

    @property
    def range_s(self) -> int:
        """Seconds that the dashboard shows."""
        number, unit = self.since.removeprefix("now-")[:-1], self.since[-1]
        return int(number) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit]


def read_boards(folder: Path) -> list[Board]:
    """Every dashboard of a folder.

    Raises:
        FileDamaged: one is no dashboard.
    """
    boards = []
    for path in sorted(folder.glob("*.json")):
        try:
            boards.append(read_board(json.loads(path.read_text("utf-8"))))
        except (ValueError, KeyError, TypeError) as error:
            told = f"{path} is no dashboard: {type(error).__name__}: {error}"
            raise FileDamaged(told, next_command=".venv/bin/python dashboards/build.py") from error
    return boards


def read_board(held: Mapping[str, Any]) -> Board:
    """A dashboard out of its JSON."""
    variables = held.get("templating", {}).get("list", [])
    return Board(
        uid=held["uid"],
        title=held["title"],
        since=held["time"]["from"],
        variables=tuple((variable["name"], variable["query"]["query"]) for variable in variables),
        panels=tuple(_panel(panel) for panel in held["panels"] if panel["type"] not in ("row", "text")),
        held=held,
    )


def _panel(panel: Mapping[str, Any]) -> Panel:
    questions = tuple(
        Question(target["refId"], target["expr"], bool(target.get("instant")), target.get("format", "time_series"))
        for target in panel.get("targets", [])
    )
    return Panel(panel["title"], panel["type"], questions)


def fill(text: str, values: Mapping[str, str]) -> str:
    """Text with the variables' values in their places; one without a value stays as it is."""
    return PLACE.sub(lambda found: values.get(found[1], found[0]), text)


def values_query(query: str, values: Mapping[str, str]) -> tuple[str, str]:
    """PromQL whose series carry the values of a variable, and the label that holds them.

    Raises:
        ValueError: the variable does not ask label_values(SELECTOR, LABEL).
    """
    found = LABEL_VALUES.fullmatch(query.strip())
    if found is None:
        raise ValueError(f"{query!r} is not label_values(SELECTOR, LABEL)")
    return f"count by ({found['label']}) ({fill(found['selector'], values)})", found["label"]


def filled(panel: Panel, values: Mapping[str, str]) -> Sequence[Question]:
    """A panel's questions with the variables' values."""
    return [Question(asked.ref_id, fill(asked.promql, values), asked.instant, asked.form) for asked in panel.questions]
