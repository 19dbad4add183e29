"""The store, and the API over it, are killed with -9 in the middle of many writes: nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from modelyard.serving.store import Store
from modelyard.waiting import wait_until

TOKEN = "token-of-the-tests"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
WRITERS, KILLS = 4, 4
WRITER = """
import sys
from pathlib import Path
from modelyard.serving.store import Store

store = Store(Path(sys.argv[1]))
for number in range(100_000):
    made = store.create("inferenceservices", {"metadata": {"name": f"a{number}", "namespace": "default"}, "spec": {}})
    print(made["metadata"]["name"], made["metadata"]["resourceVersion"], flush=True)
"""
API = """
import sys
from pathlib import Path
import uvicorn
from modelyard.serving.api import create_app
from modelyard.serving.store import Store

app = create_app(Store(Path(sys.argv[1])), token=sys.argv[2])
uvicorn.run(app, fd=int(sys.argv[3]), log_level="warning", lifespan="off")
"""


def test_every_acknowledged_object_is_there_after_kill_9(tmp_path: Path) -> None:
    path, acknowledged = tmp_path / "objects.db", {}
    for round_number in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER.replace('f"a{number}"', f'f"a{round_number}-{{number}}"'), str(path)],
            stdout=subprocess.PIPE,
            text=True,
        ) as writer:
            assert writer.stdout is not None
            for _ in range(20):
                name, version = writer.stdout.readline().split()
                acknowledged[name] = version
            writer.send_signal(signal.SIGKILL)
            for line in writer.stdout.read().splitlines():
                if len(parts := line.split()) == 2:
                    acknowledged[parts[0]] = parts[1]
    store = Store(path)
    items, version = store.list("inferenceservices")
    held = {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in items}
    assert acknowledged.items() <= held.items()
    assert version >= max(map(int, held.values()))
    assert len(set(held.values())) == len(held)
    store.close()


@dataclass
class Told:
    """What clients were told, by name: the value, or None once it was deleted; and what they could not be told."""

    values: dict[str, str | None] = field(default_factory=dict)
    unsure: dict[str, str | None] = field(default_factory=dict)
    """What was asked for and not answered; each writer has one such write at most."""
    versions: list[int] = field(default_factory=list)

    def check(self, listed: dict) -> None:
        """Compare with what is there after a kill; what was unsure is what it turned out to be."""
        held = {item["metadata"]["name"]: item["data"]["turn"] for item in listed["items"]}
        for name in {*self.values, *self.unsure, *held}:
            allowed = {self.values.get(name), self.unsure.get(name, self.values.get(name))}
            assert held.get(name) in allowed, f"{name}: {held.get(name)} is none of {allowed}"
        assert int(listed["metadata"]["resourceVersion"]) >= max(self.versions, default=0)
        self.values, self.unsure = dict(held), {}


async def write_until_away(
    client: httpx.AsyncClient, writer: int, told: Told, turn: list[int], tell: Callable[[], None]
) -> None:
    """Create, apply and delete objects of its own, one request at a time, until the API does not answer."""
    headers = {"content-type": "application/apply-patch+yaml"}
    while True:
        turn[writer] += 1
        name, value = f"w{writer}-{turn[writer] % 7}", str(turn[writer])
        gone = turn[writer] % 5 == 0
        told.unsure[name] = None if gone else value
        try:
            if gone:
                answer = await client.delete(f"{CONFIG_MAPS}/{name}")
            else:
                config = f"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}, data: {{turn: '{value}'}}}}"
                path = f"{CONFIG_MAPS}/{name}?fieldManager=w{writer}"
                answer = await client.patch(path, content=config, headers=headers)
        except httpx.TransportError:
            return
        assert answer.is_success or (gone and answer.status_code == 404), answer.text
        told.values[name] = told.unsure.pop(name)
        if not gone:
            told.versions.append(int(answer.json()["metadata"]["resourceVersion"]))
            tell()


async def live(address: str, running: subprocess.Popen[bytes], told: Told, turn: list[int], writes: int) -> None:
    """Check what is there, write from several clients at once, and kill in the middle of it."""
    authorized = {"authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=address, headers=authorized) as client:
        told.check((await client.get(CONFIG_MAPS)).json())
        enough = len(told.versions) + writes

        def kill_when_enough() -> None:
            if len(told.versions) >= enough:
                running.send_signal(signal.SIGKILL)

        await asyncio.gather(
            *(write_until_away(client, number, told, turn, kill_when_enough) for number in range(WRITERS))
        )


@pytest.mark.timeout(300)
def test_every_acknowledged_write_of_the_api_is_there_after_each_of_many_kills(tmp_path: Path) -> None:
    path, told, turn = tmp_path / "objects.db", Told(), [0] * WRITERS
    for kill in range(KILLS):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = f"http://127.0.0.1:{listener.getsockname()[1]}"
            command = [sys.executable, "-c", API, str(path), TOKEN, str(listener.fileno())]
            running = subprocess.Popen(command, pass_fds=[listener.fileno()])
        with running:
            wait_until(lambda: answers(address), what="the API to answer", deadline_s=60)  # noqa: B023
            asyncio.run(live(address, running, told, turn, writes=20 + 17 * kill))
    store = Store(path)
    items, version = store.list("configmaps", "default")
    told.check({"items": items, "metadata": {"resourceVersion": version}})
    store.close()
    assert len(set(told.versions)) == len(told.versions) >= KILLS * 20


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz", headers={"authorization": f"Bearer {TOKEN}"}).is_success
    except httpx.TransportError:
        return False
