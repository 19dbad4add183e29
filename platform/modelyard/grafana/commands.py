"""`./invoke check dashboards`: files, what arrived in Grafana, and every panel's queries."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence

from modelyard.connections import REPOSITORY, Connections, connect
from modelyard.console import say
from modelyard.errors import DashboardsIncomplete
from modelyard.grafana.answers import Grafana, PanelAnswer, Prometheus, Source, ask_board
from modelyard.grafana.arrival import Arrival, check_arrivals, connect_api
from modelyard.grafana.lint import find_problems
from modelyard.grafana.questions import Board, read_boards
from modelyard.settings import Settings

FOLDER = REPOSITORY / "dashboards" / "json"


def check(settings: Settings) -> None:
    """Check the dashboards, of Grafana where one runs, else of Prometheus itself.

    Raises:
        DashboardsIncomplete: something is wrong; every finding has been printed.
        YardNotUp: files are fine, and there is no yard to ask.
    """
    from modelyard.yard.up import yard_folder

    boards = read_boards(FOLDER)
    wrong = check_files(boards)
    _raise(wrong, len(boards))
    conn = connect(yard_folder(settings), settings)
    if has_grafana(conn):
        arrivals = check_arrivals(conn, boards)
        wrong = tell_arrivals(conn, arrivals)
        login = ("admin", conn.credentials.grafana_password)
        source: Source = Grafana(connect_api(conn.address("grafana"), login))
    else:
        say("Grafana does not run here: what arrived in it is not checked, and panels ask Prometheus itself")
        source = Prometheus(conn)
    wrong += tell_answers([answer for board in boards for answer in ask_board(source, board)])
    _raise(wrong, len(boards))


def check_files(boards: Sequence[Board]) -> list[str]:
    """What the linter finds, and which files are not as their Python says."""
    wrong = [f"{board.title}: {told}" for board in boards for told in find_problems(board.held)]
    argv = [sys.executable, str(REPOSITORY / "dashboards" / "build.py"), "--check"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        wrong += (done.stdout or done.stderr).strip().splitlines()[-20:]
    for line in wrong:
        say(f"WRONG  {line}")
    say(f"{len(boards)} dashboards with {sum(len(board.panels) for board in boards)} panels: {len(wrong)} findings")
    return wrong


def has_grafana(conn: Connections) -> bool:
    """Whether a Grafana answers at the yard's address."""
    import httpx

    try:
        answer = httpx.get(f"{conn.address('grafana')}/api/health", timeout=3, trust_env=False)
        return json.loads(answer.content).get("database") == "ok"
    except (httpx.HTTPError, ValueError, AttributeError):
        return False


def tell_arrivals(conn: Connections, arrivals: Iterable[Arrival]) -> list[str]:
    """Print what arrived; returns what did not."""
    wrong = []
    for held in arrivals:
        say(f"{'WRONG ' if held.told else 'there '} {held.what}{': ' if held.told else ''}{held.told}")
        if held.told:
            wrong.append(f"{held.what}: {held.told}")
    return wrong


def tell_answers(answers: Sequence[PanelAnswer]) -> list[str]:
    """Print a line a dashboard, and one for each panel that has no data or fails; returns those that fail."""
    for board in dict.fromkeys(answer.board for answer in answers):
        states = Counter(answer.state for answer in answers if answer.board == board)
        said = ", ".join(f"{states[state]} {state}" for state in ("answers", "no data", "fails") if states[state])
        say(f"panels {board}: {said}")
        quiet = not states["answers"]  # then it is the dashboard that has no data, and not one of its panels
        for answer in answers:
            if answer.board == board and answer.state != "answers" and not (quiet and answer.state == "no data"):
                say(f"  {answer.state}: {answer.panel}{': ' + answer.told if answer.state == 'fails' else ''}")
    return [f"{answer.panel}: {answer.told}" for answer in answers if answer.state == "fails"]


def _raise(wrong: Sequence[str], boards: int) -> None:
    if wrong:
        raise DashboardsIncomplete(f"{len(wrong)} findings in {boards} dashboards, the first: {wrong[0]}")
