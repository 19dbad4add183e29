"""Runs a load test from its start to its exit code; what it deployed is removed at the end, also on Ctrl-C."""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from modelyard.connections import REPOSITORY
from modelyard.errors import InferenceServiceAbsent, NameUnknown, SettingError
from modelyard.kube import InferenceServices
from modelyard.load import models
from modelyard.load.measures import Request, read_requests
from modelyard.load.objectives import Objective, Verdict, find, with_limits
from modelyard.load.process import Locust, environment_of, locust_argv
from modelyard.load.sampling import Sample, Sampler
from modelyard.load.view import View
from modelyard.load.wire import is_loopback
from modelyard.prometheus import Prometheus
from modelyard.waiting import wait_until

if TYPE_CHECKING:
    from modelyard.connections import Connections
    from modelyard.drawing.timeline import Band, Panel

NAMES = ("autoscale", "canary", "zero", "drift")
AUTOSCALER = ("config-autoscaler", "knative-serving")
Found = TypeVar("Found")
Held = dict[str, Any]


@dataclass(frozen=True)
class Choices:
    """What a person may choose: an InferenceService that is there and its body, the short form, other limits."""

    name: str = ""
    fast: bool = False
    limits: Sequence[str] = ()
    namespace: str = "default"
    body: str = ""


@dataclass
class Outcome:
    """What a load test found: its verdicts, and what the chart shows (times in seconds from `began`)."""

    verdicts: list[Verdict]
    panels: list[Panel] = field(default_factory=list)
    bands: list[Band] = field(default_factory=list)
    seconds: float = 0.0
    figures: dict[str, Any] = field(default_factory=dict)


class LoadTest:
    """What a load test works with: the yard's APIs, its own InferenceService, Locust, and what was sampled."""

    def __init__(self, conn: Connections, kind: str, choices: Choices, slo: Sequence[Objective], folder: Path) -> None:
        self.conn, self.kind, self.choices, self.folder = conn, kind, choices, folder
        self.slo = with_limits(slo, choices.limits)
        self.name = choices.name or f"load-{kind}"
        self.namespace = choices.namespace
        self.view = View(f"load {kind}")
        self.prometheus = Prometheus(conn.address("prometheus"))
        self.samples: list[Sample] = []
        self.began = time.time()
        self.judged: dict[str, Verdict] = {}
        self._locust: Locust | None = None

    @property
    def fast(self) -> bool:
        """Whether the short form was asked for."""
        return self.choices.fast

    @cached_property
    def services(self) -> InferenceServices:
        """InferenceServices of the namespace."""
        return InferenceServices(self.conn.kubeconfig, self.namespace)

    def deploy(self, manifest: Held) -> Held:
        """Apply a manifest and wait until it is ready."""
        applied = self.services.apply(manifest)
        return self.services.wait_ready(self.name, generation=applied["metadata"]["generation"])

    def manifest(self, answer: str, *, annotations: dict[str, str] | None = None, **predictor: Any) -> Held:
        """An InferenceService of this test, of a sample model that answers `answer`."""
        model = models.store(self.conn, answer)
        return models.manifest(self.name, self.namespace, model, annotations=annotations, **predictor)

    @contextmanager
    def autoscaler_settings(self, settings: Mapping[str, str]) -> Iterator[None]:
        """Keys of Knative's ConfigMap config-autoscaler, for all InferenceServices; put back at the end."""
        before = self.services.config_map(*AUTOSCALER)
        self.services.patch_config_map(*AUTOSCALER, settings)
        try:
            yield
        finally:
            self.services.patch_config_map(*AUTOSCALER, {key: before.get(key) for key in settings})

    def hostname(self) -> str:
        """Host of the InferenceService, by its status.

        Raises:
            InferenceServiceAbsent: there is no such InferenceService, or it has no address yet.
        """
        held = self.services.get(self.name)
        url = (held or {}).get("status", {}).get("url")
        if not url:
            raise InferenceServiceAbsent(
                f"InferenceService {self.namespace}/{self.name} {'has no address' if held else 'does not exist'}",
                next_command="./invoke why",
            )
        return str(urlsplit(url).hostname)

    def clear(self) -> None:
        """Remove what this test deployed, or what one that was killed has left."""
        self.services.delete(self.name)
        wait_until(
            lambda: self.services.get(self.name) is None, what=f"InferenceService {self.name} to be gone", deadline_s=60
        )

    @contextmanager
    def traffic(self, *options: str) -> Iterator[Locust]:
        """Locust on this test's file while the platform is sampled; further options are the Locust file's."""
        argv = locust_argv(
            locustfile(self.kind),
            *("--host", self.conn.gateway, "--inferenceservice", self.name, "--hostname", self.hostname()),
            *("--requests", str(self.folder / "requests.csv"), "--stop-timeout", "30"),
            *("--csv", str(self.folder / "locust"), "--html", str(self.folder / "locust.html")),
            *options,
            *(("--body", self.choices.body) if self.choices.body else ()),
        )
        locust = Locust(argv, self.folder / "locust.log", environment_of(self.conn.layout.folder))
        sampler = Sampler(self.services, self.prometheus, self.name, lambda: locust.progress, self.view.show)
        self.samples = sampler.samples
        with locust, sampler, self.view.live():
            self._locust = locust
            self.wait(lambda: locust.progress, what="Locust to start", deadline_s=30)
            self.began = time.time()
            yield locust
        if not locust.summary:
            raise locust.failed()

    def wait(
        self, probe: Callable[[], Found], *, what: str, deadline_s: float, last: Callable[[], str] | None = None
    ) -> Found:
        """Wait for something while Locust runs; that Locust has ended ends the waiting.

        Raises:
            CommandFailed: Locust ended early.
            WaitTimeout: it did not come in time.
        """

        def looked() -> Found:
            found = probe()
            if not found and self._locust is not None and not self._locust.running:
                raise self._locust.failed()
            return found

        return wait_until(looked, what=what, deadline_s=deadline_s, last_answer=last)

    def requests(self) -> list[Request]:
        """Every request that Locust wrote down."""
        return read_requests(self.folder / "requests.csv")

    def verdict(self, objective: str, measured: float | None) -> Verdict:
        """The verdict of an objective of the SLO, which is kept in `judged` by the objective's id."""
        self.judged[objective] = self.objective(objective).judge(measured)
        return self.judged[objective]

    def objective(self, name: str) -> Objective:
        """An objective of the SLO, with the limit that the person chose."""
        return find(self.slo, name)


def locustfile(kind: str) -> Path:
    """The Locust file of a load test."""
    return REPOSITORY / "loadtests" / f"{kind}.py"


def load_module(kind: str) -> ModuleType:
    """A load test's own file: its SLO, its `conduct` and its users.

    Raises:
        NameUnknown: there is no such load test.
    """
    if kind not in NAMES or not locustfile(kind).exists():
        raise NameUnknown(
            f"there is no load test {kind!r}", allowed=", ".join(NAMES), next_command="./invoke load canary"
        )
    os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"  # here it is only read; the process that sends is Locust's own
    if str(REPOSITORY) not in sys.path:  # loadtests/ are programs of the checkout, not part of the package
        sys.path.append(str(REPOSITORY))
    return importlib.import_module(f"loadtests.{kind}")


def run(conn: Connections, kind: str, choices: Choices, folder: Path | None = None) -> tuple[LoadTest, Outcome]:
    """Run a load test on a yard that is up, and write its report into `folder`, else into one of its own.

    Raises:
        YardError: there is no such test, the yard does not answer, or its gateway is not on this machine.
    """
    from modelyard.load.report import write

    module = load_module(kind)
    if not is_loopback(conn.gateway):
        raise SettingError(f"the gateway {conn.gateway} is not on this machine", allowed="http://127.0.0.1:PORT")
    test = LoadTest(conn, kind, choices, module.SLO, folder or new_folder(conn.layout.reports, kind))
    test.folder.mkdir(parents=True, exist_ok=True)
    own = not choices.name
    try:
        if own:
            test.clear()
        outcome: Outcome = module.conduct(test)
    finally:
        if own:
            test.clear()
    write(test, outcome, module)
    return test, outcome


def new_folder(reports: Path, kind: str) -> Path:
    """A folder of its own for this run."""
    name = f"load-{kind}-{time.strftime('%Y%m%dT%H%M%S')}"
    number = 0
    while (folder := reports / (f"{name}-{number}" if number else name)).exists():
        number += 1
    folder.mkdir(parents=True)
    return folder
