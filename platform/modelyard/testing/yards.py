"""A yard of a test's own: up on entry, down on exit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.kube import InferenceServices
from modelyard.monitor.client import Monitor
from modelyard.prometheus import Prometheus, Sample

if TYPE_CHECKING:
    from modelyard.connections import Connections
    from modelyard.load.objectives import Verdict
    from modelyard.settings import Settings

Object = dict[str, Any]
PATIENCE_S = 300.0
"""Seconds for a yard to come up beside other tests on a busy machine; a person at a keyboard is told sooner."""


@dataclass(frozen=True)
class Yard:
    """A yard that is up: its connections, its settings, and what most tests want of it."""

    conn: Connections
    settings: Settings

    @cached_property
    def services(self) -> InferenceServices:
        """InferenceServices of the namespace of the settings."""
        return InferenceServices(self.conn.kubeconfig, self.settings.namespace)

    @property
    def environment(self) -> dict[str, str]:
        """Variables for programs that a test starts: KUBECONFIG, MLflow's, S3's."""
        return self.conn.environment()

    def deploy(self, manifest: Mapping[str, Any] | Path | str, *, deadline_s: float = 120.0) -> Object:
        """Apply an InferenceService (a mapping, or the path of a YAML file) and wait until it is ready.

        Raises:
            DeployFailed: the API refused it.
            WaitTimeout: it did not get ready.
        """
        applied = self.services.apply(read_manifest(manifest))
        meta = applied["metadata"]
        return self.services.wait_ready(meta["name"], generation=meta["generation"], deadline_s=deadline_s)

    def predict(self, name: str, rows: Sequence[Any], *, ce_id: str = "") -> list[Any]:
        """What an InferenceService answers through the gateway: one prediction a row, in the model's own form.

        Args:
            name: of the InferenceService.
            rows: features by column, or lists of numbers.
            ce_id: the request's Ce-Id; random where it is empty.

        Raises:
            ServiceFailed: the answer holds no such predictions.
        """
        from modelyard.endpoint import ask

        return ask(self.conn, name, rows, namespace=self.settings.namespace, ce_id=ce_id)

    def load(self, test: str, *, name: str = "", limits: Sequence[str] = ()) -> list[Verdict]:
        """Run a load test (`autoscale`, `canary`, `zero`, `drift`) in its short form; one verdict an objective.

        Args:
            test: which one.
            name: an InferenceService that is there, in place of the test's own.
            limits: `OBJECTIVE=VALUE` in place of the test's own limit.

        Raises:
            YardError: it could not be run to its end.
        """
        from modelyard.load.running import Choices, run

        choices = Choices(name, fast=True, limits=limits, namespace=self.settings.namespace)
        return run(self.conn, test, choices)[1].verdicts

    def metrics(self, promql: str) -> list[Sample]:
        """What Prometheus finds now."""
        return Prometheus(self.conn.address("prometheus")).query(promql)

    def monitor(self, inferenceservice: str = "flights") -> Monitor:
        """The drift monitor, about one InferenceService."""
        return Monitor(self.conn, inferenceservice, self.settings.namespace)

    def upload(self, folder: Path, address: str) -> str:
        """Copy a folder to an `s3://BUCKET/...` address of the yard's store, and return the address."""
        import s3fs

        store = s3fs.S3FileSystem(
            key=self.conn.credentials.s3_key_id,
            secret=self.conn.credentials.s3_secret,
            endpoint_url=self.conn.address("objectstore"),
            client_kwargs={"region_name": "us-east-1"},
            skip_instance_cache=True,
        )
        bucket = address.removeprefix("s3://").split("/", 1)[0]
        if not store.exists(bucket):
            store.mkdir(bucket)
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                store.put_file(str(path), f"{address}/{path.relative_to(folder).as_posix()}")
        return address


def read_manifest(manifest: Mapping[str, Any] | Path | str) -> Object:
    """A manifest as the API takes it.

    Raises:
        FileNotFoundError: it is a path, and there is nothing.
        ValueError: the file holds no InferenceService.
    """
    if isinstance(manifest, Mapping):
        return dict(manifest)
    import yaml

    held = yaml.safe_load(Path(manifest).read_text("utf-8"))
    if not isinstance(held, dict) or held.get("kind") != "InferenceService":
        raise ValueError(f"{manifest} holds no InferenceService")
    return held


@contextmanager
def running_yard(folder: Path, **settings: Any) -> Iterator[Yard]:
    """A yard below `folder` with free ports; `settings` are those of modelyard.settings, by name.

    It takes no Grafana unless `grafana="auto"` is said: a test would wait for its download.

    Raises:
        YardError: it did not come up; what was started is ended.
    """
    from modelyard.settings import Settings
    from modelyard.yard.down import take_down
    from modelyard.yard.up import bring_up

    own = {"name": "test", "state_dir": folder, "ports": "auto", "up_deadline_s": PATIENCE_S, "grafana": "never"}
    chosen = Settings(**{**own, **settings})
    try:
        yield Yard(bring_up(chosen), chosen)
    finally:
        take_down(chosen)
