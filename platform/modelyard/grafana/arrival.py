"""Whether what is provisioned has arrived in a Grafana: folder, dashboards, data sources, contact point, password."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelyard.connections import Connections
from modelyard.grafana.lint import DATA_SOURCES
from modelyard.grafana.questions import Board, read_board

FOLDER = "modelyard"
CONTACT_POINT = "modelyard-monitor"
DEFAULT_LOGIN = ("admin", "admin")


@dataclass(frozen=True)
class Arrival:
    """One thing that should be there; `told` says what is there instead, empty where it is right."""

    what: str
    told: str = ""


def connect_api(address: str, login: tuple[str, str]) -> Any:
    """grafana-client for an address; what the environment says of proxies is not for 127.0.0.1."""
    from grafana_client import GrafanaApi

    api = GrafanaApi.from_url(address, credential=login, timeout=15)
    api.client.s.trust_env = False
    return api


def check_arrivals(
    conn: Connections, boards: Sequence[Board], connect: Callable[[str, tuple[str, str]], Any] = connect_api
) -> list[Arrival]:
    """Everything that a yard's Grafana must have, asked of it with the yard's own login.

    Raises:
        requests.RequestException: Grafana does not answer at all.
    """
    api = connect(conn.address("grafana"), ("admin", conn.credentials.grafana_password))
    return [
        Arrival(f"folder {FOLDER}", _asked(lambda: compare(api.folder.get_folder(FOLDER), {"title": FOLDER}))),
        *(
            Arrival(f"dashboard {board.title}", _asked(lambda board=board: check_board(api, board)))  # type: ignore[misc]
            for board in boards
        ),
        *(
            Arrival(f"data source {uid}", _asked(lambda uid=uid, kind=kind: check_source(api, conn, uid, kind)))  # type: ignore[misc]
            for kind, uid in DATA_SOURCES.items()
        ),
        Arrival(f"contact point {CONTACT_POINT}", _asked(lambda: check_contact(api, conn))),
        Arrival("a password of its own", check_login(connect(conn.address("grafana"), DEFAULT_LOGIN))),
    ]


def _asked(check: Callable[[], str]) -> str:
    """What a check tells; what Grafana refuses is told, too."""
    from grafana_client.client import GrafanaException

    try:
        return check()
    except GrafanaException as error:
        return f"Grafana answers {error.status_code}: {error.message}"


def compare(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """The first value that differs, in words; empty where none does."""
    for name, value in wanted.items():
        if found.get(name) != value:
            return f"{name} is {found.get(name)!r}: should be {value!r}"
    return ""


def check_board(api: Any, board: Board) -> str:
    """Whether a dashboard is there, in its folder, and asks what its file asks."""
    answer = api.dashboard.get_dashboard(board.uid)
    found = read_board(answer["dashboard"])
    differs = [panel.title for panel in board.panels if panel not in found.panels]
    if differs:
        return f"panel {differs[0]!r} is not as in its file; Grafana reads files anew every 10 s"
    return compare(answer.get("meta", {}), {"folderUid": FOLDER, "provisioned": True})


def check_source(api: Any, conn: Connections, uid: str, kind: str) -> str:
    """Whether a data source is there, leads to the yard's own service, and is healthy where Grafana can tell."""
    found = api.datasource.get_datasource_by_uid(uid)
    told = compare(found, {"type": kind, "url": conn.address(kind), "access": "proxy"})
    if told or kind != "prometheus":  # Grafana asks an Alertmanager for its health in the browser only
        return told
    return compare(api.datasource.health(uid), {"status": "OK"})


def check_contact(api: Any, conn: Connections) -> str:
    """Whether the contact point is there and leads to the monitor."""
    held: Iterable[Mapping[str, Any]] = api.alertingprovisioning.get_contactpoints()
    found = next((point for point in held if point.get("name") == CONTACT_POINT), None)
    if found is None:
        return "it is not there"
    told = compare(found, {"type": "webhook"})
    return told or compare(found.get("settings", {}), {"url": f"{conn.address('monitor')}/alerts"})


def check_login(api: Any) -> str:
    """Whether the login that every Grafana begins with is refused."""
    from grafana_client.client import GrafanaUnauthorizedError

    try:
        api.organization.get_current_organization()
    except GrafanaUnauthorizedError:
        return ""
    return "admin may log in with the password admin"
