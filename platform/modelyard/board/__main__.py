"""`python -m modelyard.board`: the board of the yard in MODELYARD_FOLDER."""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp

from modelyard.board.app import Board, create_app
from modelyard.board.metrics import make_registry
from modelyard.board.queries import Sources
from modelyard.board.watching import Watcher, look
from modelyard.connections import FOLDER_VARIABLE, REPOSITORY, Connections, connect
from modelyard.errors import YardError
from modelyard.services.catalog import CATALOG
from modelyard.settings import Settings, load_settings


def plotly_library() -> Path:
    """plotly.min.js of the installed plotly package, which is found without being imported."""
    found = importlib.util.find_spec("plotly")
    folder = Path(found.origin).parent if found and found.origin else Path("plotly")
    return folder / "package_data" / "plotly.min.js"


def links_of(conn: Connections) -> tuple[dict[str, str], ...]:
    """Name, what it is for, and address of every other page of the yard."""
    return tuple(
        {
            "service": held.name,
            "summary": held.summary,
            "address": conn.address(held.ports[0]) + held.page,
        }
        for held in CATALOG
        if held.page and held.ports and held.name != "board"
    )


def lifespan_of(watcher: Watcher, sources: Sources) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """Starlette's lifespan: the yard is looked at as long as the app runs."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        watcher.start()
        yield
        watcher.stop()
        await sources.close()

    return lifespan


def compose(conn: Connections, settings: Settings) -> ASGIApp:
    """The board of a yard as an ASGI app."""
    watcher = Watcher(lambda: look(conn, settings))
    sources = Sources(conn.address("prometheus"), conn.address("alertmanager"))
    board = Board(
        sources=sources,
        watcher=watcher,
        registry=make_registry(lambda: watcher.latest),
        dashboards=REPOSITORY / "dashboards" / "json",
        plotly=plotly_library(),
        links=links_of(conn),
        summaries={held.name: held.summary for held in CATALOG},
        scrape_interval_s=settings.scrape_interval_s,
    )
    return create_app(board, lifespan=lifespan_of(watcher, sources))


def main() -> int:
    """Serve until SIGTERM; the exit code is the process's."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        named = os.environ.get(FOLDER_VARIABLE)
        settings = load_settings()
        conn = connect(Path(named) if named else None, settings)
    except YardError as error:
        print("\n".join(error.lines()), file=sys.stderr)
        return error.exit_code
    # uvicorn stops in order at SIGTERM and then raises it again, which would end this process with an error.
    signal.signal(signal.SIGTERM, lambda *_: None)
    uvicorn.run(
        compose(conn, settings),
        host="127.0.0.1",
        port=conn.port("board"),
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=2,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
