"""The pages of a yard, for a person with a browser and for one without."""

from __future__ import annotations

import os
import sys

from modelyard.connections import Connections, connect
from modelyard.errors import NameUnknown, ServiceUnreachable
from modelyard.services.service import Service
from modelyard.settings import Settings
from modelyard.substrates import local
from modelyard.yard.observation import is_ready
from modelyard.yard.up import yard_folder

FIRST = "board"


def open_page(settings: Settings, service: str) -> list[str]:
    """Open a service's page, or the board, in the browser where there is one; returns a line for each address.

    The board comes first, and has links to the others.

    Raises:
        YardNotUp: there is no yard. NameUnknown: that service has no page; names those that have one.
    """
    conn = connect(yard_folder(settings), settings)
    chosen = choose_pages(service)
    ready = [held for held in chosen if is_ready(held, conn)]
    if not ready:
        names = service or ", ".join(held.name for held in chosen)
        raise ServiceUnreachable(f"not ready: {names}", next_command="./invoke up")
    browser = has_browser()
    lines = [f"{held.name:<13} {conn.address(held.ports[0])}{held.page}{_login(held, conn)}" for held in ready]
    if browser:
        import webbrowser

        webbrowser.open(conn.address(ready[0].ports[0]) + ready[0].page)
    return lines


def choose_pages(service: str) -> list[Service]:
    """The services with a page: the one named, or every one, the board first.

    Raises:
        NameUnknown: the one named has none.
    """
    every = sorted((held for held in local.SERVICES if held.page and held.ports), key=lambda held: held.name != FIRST)
    chosen = [held for held in every if not service or held.name == service]
    if not chosen:
        raise NameUnknown(
            f"{service} has no page", allowed=", ".join(held.name for held in every), next_command="./invoke open"
        )
    return chosen


def has_browser() -> bool:
    """Whether a browser with a window can be expected here."""
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _login(held: Service, conn: Connections) -> str:
    return f"  (admin; password grafana_password in {conn.layout.secrets})" if held.name == "grafana" else ""
