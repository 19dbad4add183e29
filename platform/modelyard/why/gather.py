"""Gathers the facts: each source is asked once, all at the same time, and one that is silent leaves None."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import psutil

from modelyard.connections import Connections
from modelyard.errors import YardError
from modelyard.faults.records import in_force
from modelyard.services.probes import get_json, request
from modelyard.services.serving import list_inferenceservices, list_objects
from modelyard.settings import Settings
from modelyard.substrates import local
from modelyard.why.facts import DataFile, Facts, Object
from modelyard.yard import marks
from modelyard.yard.conditions import conditions_of, find_line_that_matters, read_tail
from modelyard.yard.observation import observe_processes

REGISTERED, VERSION = "modelyard.dev/registered-model", "modelyard.dev/model-version"
DIGEST_TAG = "modelyard.dev/model-digest"
Found = TypeVar("Found")


def gather(conn: Connections, settings: Settings) -> Facts:
    """Everything that is known of a yard now."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        services = pool.submit(_asked, lambda: list_inferenceservices(conn))
        pods = pool.submit(_asked, lambda: list_objects(conn, "/api/v1/pods"))
        events = pool.submit(_asked, lambda: list_objects(conn, "/api/v1/events"))
        alerts = pool.submit(_asked, lambda: _alerts(conn))
        monitor = pool.submit(_asked, lambda: get_json(f"{conn.address('monitor')}/status"))
        data = pool.submit(data_file, conn.layout.workspace)
        registered = pool.submit(lambda: _registered(conn, services.result() or ()))
        observed = observe_processes(conn, local.SERVICES)
        conditions = conditions_of(conn, local.SERVICES, observed)
        return Facts(
            now=time.time(),
            supervised=observed.supervisor_pid is not None,
            conditions=conditions,
            needs={service.name: service.needs for service in local.SERVICES},
            optional=frozenset(service.name for service in local.SERVICES if service.optional),
            services=services.result(),
            pods=pods.result() or (),
            events=events.result() or (),
            alerts=alerts.result(),
            monitor=monitor.result(),
            monitor_log=read_tail(conn.layout.log("monitor")),
            registered=registered.result(),
            frozen=_frozen(observed.marked),
            replica_logs=_replica_logs(conn.layout.logs),
            data=data.result(),
            faults=in_force(conn),
        )


def _asked(ask: Callable[[], Found]) -> Found | None:
    """An answer, None where there is none."""
    import httpx

    try:
        return ask()
    except (OSError, LookupError, ValueError, httpx.HTTPError, YardError):
        return None


def _alerts(conn: Connections) -> list[Object]:
    held: list[Object] = get_json(f"{conn.address('prometheus')}/api/v1/alerts")["data"]["alerts"]
    return held


def _registered(conn: Connections, services: Iterable[Object]) -> dict[tuple[str, str], str]:
    """Digests that the registry has of the versions that are served; a version that it does not answer for is left
    out."""
    found = {}
    for service in services:
        held = service["metadata"].get("annotations") or {}
        key = (held.get(REGISTERED, ""), held.get(VERSION, ""))
        answer = _asked(lambda key=key: _version(conn, *key)) if all(key) and key not in found else None  # type: ignore[misc]
        if answer is not None:
            tags = {tag["key"]: tag["value"] for tag in answer.get("tags", [])}
            found[key] = tags.get(DIGEST_TAG, "")
    return found


def _version(conn: Connections, model: str, version: str) -> Any:
    url = f"{conn.address('mlflow')}/api/2.0/mlflow/model-versions/get"
    return request("GET", url, params={"name": model, "version": version}).json()["model_version"]


def _frozen(processes: Iterable[marks.Marked]) -> dict[int, str]:
    """Processes of the yard that were stopped by a signal, as by SIGSTOP or Ctrl-Z."""
    found = {}
    for held in processes:
        try:
            if psutil.Process(held.pid).status() == psutil.STATUS_STOPPED:
                found[held.pid] = held.service
        except psutil.Error:
            continue
    return found


def _replica_logs(folder: Path) -> dict[str, tuple[str, str]]:
    found = {}
    for path in folder.glob("*-predictor-*.log"):
        found[path.stem] = (str(path), find_line_that_matters(read_tail(path)))
    return found


def data_file(workspace: Path) -> DataFile | None:
    """The data file of a workspace against the tag of its version; None where no data were made yet."""
    import yaml

    from modelyard.workspace.project import DATA, POINTER, file_md5, pointer_md5

    try:
        version = str(yaml.safe_load((workspace / "params.yaml").read_text("utf-8"))["data"]["version"])
    except (OSError, LookupError, TypeError, yaml.YAMLError):
        return None
    shown = _git(workspace, "show", f"data-{version}:{POINTER}")
    if shown is None:
        return None
    path = workspace / DATA
    return DataFile(str(path), file_md5(path) if path.exists() else "", version, pointer_md5(shown))


def _git(folder: Path, *arguments: str) -> str | None:
    argv: Sequence[str] = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
