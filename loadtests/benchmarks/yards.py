"""Yards for benchmarks: each in a folder of its own, on free ports, and gone afterwards."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from modelyard.connections import Connections
from modelyard.settings import Settings, load_settings
from modelyard.yard.down import take_down
from modelyard.yard.up import bring_up, carry_out, describe_processes, make_plan, prepare
from modelyard.yard.view import Silent


class ReadyTimes(Silent):
    """Notes when each service became ready."""

    def __init__(self) -> None:
        self.ready: dict[str, float] = {}

    def show(self, service: str, state: str, told: str = "") -> None:
        """Keep the time of the state ready."""
        if state == "ready":
            self.ready[service] = time.monotonic()


@contextmanager
def fresh_settings() -> Iterator[Settings]:
    """Settings of a yard that does not exist yet; what was brought up with them is taken down and removed."""
    known = load_settings()
    folder = Path(tempfile.mkdtemp(prefix="modelyard-benchmark-"))
    settings = Settings(state_dir=folder, name="benchmark", ports="auto", cache_dir=known.cache_dir, on="local")
    try:
        yield settings
    finally:
        take_down(settings)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def fresh_yard() -> Iterator[Connections]:
    """A whole yard."""
    with fresh_settings() as settings:
        yield bring_up(settings)


def time_whole_yard() -> tuple[float, dict[str, float]]:
    """Seconds of `up` on an empty folder until all services answered, and of each service until it answered."""
    with fresh_settings() as settings:
        times = ReadyTimes()
        began = time.monotonic()
        bring_up(settings, view=times)
        took_s = time.monotonic() - began
        return took_s, {name: ready - began for name, ready in times.ready.items()}


@contextmanager
def some_services(names: set[str]) -> Iterator[tuple[Connections, float]]:
    """A yard of a few services only, with the seconds that their `up` took."""
    with fresh_settings() as settings:
        view = Silent()
        began = time.monotonic()
        conn = prepare(settings)
        described, _ = describe_processes(conn, settings, view)
        started = {name: described[name] for name in described if name in names}
        carry_out(make_plan(conn, settings, started), conn, settings, started, view)
        yield conn, time.monotonic() - began


def with_needs(name: str) -> set[str]:
    """A service and all that must be ready before it."""
    from modelyard.substrates import local

    needs = {service.name: service.needs for service in local.SERVICES}
    found: set[str] = set()
    waiting = [name]
    while waiting:
        found.add(next_name := waiting.pop())
        waiting += [needed for needed in needs[next_name] if needed not in found]
    return found
