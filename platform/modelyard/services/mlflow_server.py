"""`mlflow server` in one process (`python -m modelyard.services.mlflow_server`, with the same arguments).

MLflow's command makes the stores ready and then starts uvicorn as a second process, which imports all of MLflow again:
2 s and 190 MB more, and a child that holds the port when its parent is killed. Here uvicorn runs where the stores were
made ready. Were MLflow to start its server in another way, it would do so as ever.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence


def serve_here(command: Sequence[str], *, extra_env: Mapping[str, str], **_told: object) -> None:
    """Run `python -m uvicorn ARGUMENTS` in this process, and end as it ends."""
    from uvicorn.main import main

    os.environ.update(extra_env)
    main(list(command[command.index("uvicorn") + 1 :]), prog_name="uvicorn")


def serve() -> None:
    """Run MLflow's own command with another way to start the server."""
    import uvicorn  # noqa: F401 - first: by this MLflow knows that it runs as a server, and guards its routes
    from mlflow import server
    from mlflow.cli import cli

    from modelyard.services.mlflow_database import ensure_database, find_database

    if database := find_database(sys.argv):
        ensure_database(database)
    server._exec_cmd = serve_here  # type: ignore[assignment]
    cli(["server", *sys.argv[1:]], prog_name="mlflow")


if __name__ == "__main__":
    serve()
