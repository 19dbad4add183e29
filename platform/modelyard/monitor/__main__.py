"""`python -m modelyard.monitor`: the drift monitor of the yard in MODELYARD_FOLDER."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import IO, Any

import uvicorn
from starlette.applications import Starlette

from modelyard.connections import FOLDER_VARIABLE, Connections, connect
from modelyard.errors import YardBusy, YardError
from modelyard.monitor.app import Monitor, create_app
from modelyard.monitor.ingest import App
from modelyard.monitor.metrics import make_registry
from modelyard.monitor.queries import Reader
from modelyard.monitor.references import Fetcher, Mlflow, ReferenceStore
from modelyard.monitor.reporter import Reporter
from modelyard.monitor.traffic import TrafficWatch, decide_in_traffic
from modelyard.monitor.writer import Writer
from modelyard.settings import Settings, load_settings

log = logging.getLogger("modelyard.monitor")
HALF_KEPT_S = 15 * 60.0
EXPIRE_EVERY_S = 30.0
Job = Callable[[], Coroutine[Any, Any, None]]


def lock_folder(folder: Path) -> IO[str]:
    """Hold the folder for this process: two monitors over one store would both cut windows.

    Raises:
        ServiceFailed: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    held = (folder / "lock").open("a+")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        held.close()
        raise YardBusy(f"another monitor runs over {folder}", next_command="./invoke status") from error
    return held


async def expire_halves(writer: Writer) -> None:
    """Give up halves whose other half was lost, now and then."""
    while True:
        before = time.time() - HALF_KEPT_S
        await writer.commit(lambda store, before=before: store.expire_halves(before))  # type: ignore[misc]
        await asyncio.sleep(EXPIRE_EVERY_S)


def lifespan_of(jobs: list[Job], writer: Writer) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """Starlette's lifespan: the jobs run as long as the app does; then what waits is committed."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(job()) for job in jobs]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(writer.close)

    return lifespan


def compose(conn: Connections, settings: Settings) -> App:
    """The monitor of a yard as an ASGI app; its background work starts and ends with it."""
    folder = conn.layout.data("monitor")
    database, reports = folder / "monitor.db", folder / "reports"
    writer, reader, references = Writer(database), Reader(database), ReferenceStore(folder / "references")
    watch = TrafficWatch(conn.kubeconfig, writer, reader)

    def in_traffic(service: tuple[str, str], model_version: str) -> bool:
        return decide_in_traffic(watch.observed, service, model_version)

    reporter = Reporter(
        writer,
        reader,
        references,
        database=database,
        reports=reports,
        report_deadline_s=settings.report_deadline_s,
    )
    jobs: list[Job] = [
        watch.run,
        Fetcher(writer, reader, references, Mlflow(conn.address("mlflow"))).run,
        reporter.run,
        lambda: expire_halves(writer),
    ]

    monitor = Monitor(
        writer=writer,
        reader=reader,
        registry=make_registry(reader, in_traffic, lambda: writer.backlog),
        in_traffic=in_traffic,
        reports=reports,
        event_path=conn.credentials.monitor_path,
        token=conn.credentials.monitor_token,
    )
    return create_app(monitor, lifespan=lifespan_of(jobs, writer))


def main() -> int:
    """Serve until SIGTERM; the exit code is the process's."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        named = os.environ.get(FOLDER_VARIABLE)
        settings = load_settings()
        conn = connect(Path(named) if named else None, settings)
        lock = lock_folder(conn.layout.data("monitor"))
    except YardError as error:
        print("\n".join(error.lines()), file=sys.stderr)
        return error.exit_code
    # uvicorn stops in order at SIGTERM and then raises it again, which would end this process with an error.
    signal.signal(signal.SIGTERM, lambda *_: None)
    with lock:
        # No access log: the path of the events holds a secret.
        uvicorn.run(
            compose(conn, settings),
            host="127.0.0.1",
            port=conn.port("monitor"),
            access_log=False,
            log_level="warning",
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
