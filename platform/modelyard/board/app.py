"""The board's pages and its API. It only reads: no request changes anything in the yard."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modelyard.answers import as_json, refuse
from modelyard.board.definitions import Dashboard, check_values, describe, read_dashboards
from modelyard.board.panels import answer_dashboard
from modelyard.board.queries import Sources, Unanswered
from modelyard.board.traffic import ask_traffic
from modelyard.board.watching import Look, Watcher
from modelyard.board.windows import choose_window
from modelyard.errors import SettingError

STATIC = Path(__file__).with_name("static")
HOSTS = ("127.0.0.1", "localhost", "[::1]")
MOST_PANELS = 100
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing from elsewhere. Styles within elements are what plotly.js draws with."""


@dataclass(frozen=True)
class Board:
    """What the endpoints need.

    Attributes:
        sources: of data.
        watcher: what looks at the yard.
        registry: of the yard's series.
        dashboards: folder of their JSON files.
        plotly: plotly.min.js.
        links: name, summary and address of the yard's other pages.
        summaries: what each service is for.
        scrape_interval_s: no graph has finer steps.
    """

    sources: Sources
    watcher: Watcher
    registry: CollectorRegistry
    dashboards: Path
    plotly: Path
    links: tuple[dict[str, str], ...]
    summaries: dict[str, str]
    scrape_interval_s: int


class Endpoints:
    """One method a route."""

    def __init__(self, board: Board) -> None:
        self._board = board

    async def page(self, request: Request) -> Response:
        """The page; the browser chooses by the address what it shows."""
        return FileResponse(STATIC / "board.html", headers={"Cache-Control": "no-cache"})

    async def plotly(self, request: Request) -> Response:
        """The chart library, from the installed package."""
        headers = {"Cache-Control": "max-age=86400"}
        return FileResponse(self._board.plotly, media_type="text/javascript", headers=headers)

    async def yard(self, request: Request) -> Response:
        """The yard at a glance."""
        seen = self._board.watcher.asked()
        traffic = await ask_traffic(self._board.sources, time.time())
        told = {"traffic": traffic, "links": self._board.links, "summaries": self._board.summaries}
        return as_json({**describe_look(seen), **told})

    async def alerts(self, request: Request) -> Response:
        """Alerts that Alertmanager holds, or why that is not known."""
        try:
            return as_json({"state": "ok", "told": "", "alerts": await self._board.sources.alerts()})
        except Unanswered as error:
            return as_json({"state": error.state, "told": error.told, "alerts": []})

    async def dashboards(self, request: Request) -> Response:
        """What there is to draw."""
        held = await asyncio.to_thread(read_dashboards, self._board.dashboards)
        return as_json({"dashboards": [describe(board) for board in held]})

    async def data(self, request: Request) -> Response:
        """Data of the panels asked for: only by dashboard and panel, never PromQL of the asker's own."""
        board = await asyncio.to_thread(self._find, request.path_params["uid"])
        if board is None:
            return refuse(404, f"there is no dashboard {request.path_params['uid']}")
        asked = dict(request.query_params)
        chosen = {name.removeprefix("var-"): value for name, value in asked.items() if name.startswith("var-")}
        now_s = time.time()
        try:
            check_values(chosen)
            ids = [int(part) for part in asked.get("panels", "").split(",") if part][:MOST_PANELS]
            window = choose_window(
                asked.get("from", "now-30m"),
                asked.get("to", "now"),
                now_s=now_s,
                shortest_step_s=self._board.scrape_interval_s,
            )
        except SettingError as error:
            return refuse(422, f"{error.what}: allowed is {error.allowed}")
        except ValueError:
            return refuse(422, f"panels is {asked['panels']!r}: allowed are numbers with commas between them")
        at_s = now_s if window.live else window.end_s
        try:
            return as_json(await answer_dashboard(self._board.sources, board, ids, chosen, window, at_s=at_s))
        except LookupError as error:
            return refuse(404, str(error.args[0]))

    def _find(self, uid: str) -> Dashboard | None:
        return next((board for board in read_dashboards(self._board.dashboards) if board.uid == uid), None)

    async def metrics(self, request: Request) -> Response:
        """Prometheus metrics."""
        return Response(generate_latest(self._board.registry), media_type=CONTENT_TYPE_LATEST)

    async def healthz(self, request: Request) -> Response:
        """200 where the page has everything that it draws with."""
        missing = [path for path in (self._board.plotly, STATIC / "board.html") if not path.is_file()]
        if missing:
            return PlainTextResponse(f"there is no {missing[0]}\n", 503)
        return PlainTextResponse("ok\n")


def describe_look(seen: Look | None) -> dict[str, Any]:
    """A look as the page takes it; `status` is None before the first one, and where the yard could not be seen."""
    if seen is None:
        return {"seen_s": None, "status": None, "told": "", "disk_free_bytes": None, "faults": ()}
    return {
        "seen_s": seen.at_s,
        "status": {**asdict(seen.status), "ready": seen.status.ready} if seen.status else None,
        "told": seen.told,
        "disk_free_bytes": seen.disk_free_bytes,
        "faults": seen.faults,
    }


class LocalOnly:
    """Answers only who asks for this machine by its own name, so that no page from elsewhere can read the yard.

    A page of a stranger whose name resolves to 127.0.0.1 (DNS rebinding) sends its own name as Host.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse by the Host header, and put headers on every answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        if not is_local(host):
            told = PlainTextResponse(f"Host is {host!r}: allowed are {', '.join(HOSTS)}\n", 421)
            await told(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = POLICY
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        await self._app(scope, receive, with_headers)


def is_local(host: str) -> bool:
    """Whether a Host header, with or without a port, names this machine itself."""
    name = host[: host.rindex(":")] if ":" in host.rpartition("]")[2] else host
    return name.lower() in HOSTS


def create_app(board: Board, **options: Any) -> ASGIApp:
    """The ASGI app; `options` go to Starlette (lifespan)."""
    endpoints = Endpoints(board)
    inner = Starlette(
        routes=[
            Route("/", endpoints.page),
            Route("/d/{uid}", endpoints.page),
            Route("/plotly.min.js", endpoints.plotly),
            Route("/api/yard", endpoints.yard),
            Route("/api/alerts", endpoints.alerts),
            Route("/api/dashboards", endpoints.dashboards),
            Route("/api/dashboards/{uid}/data", endpoints.data),
            Route("/metrics", endpoints.metrics),
            Route("/healthz", endpoints.healthz),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        **options,
    )
    return LocalOnly(inner)
