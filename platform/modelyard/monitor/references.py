"""Reference rows and configuration of a model version, fetched from MLflow by run id and kept on disk.

Plain HTTP (`/api/2.0/mlflow/artifacts/list`, `/get-artifact`): the mlflow package would cost this service 200 MiB.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from modelyard.monitor.config import MonitoringConfigInvalid, parse_config
from modelyard.monitor.queries import Reader, VersionView
from modelyard.monitor.writer import Writer

log = logging.getLogger(__name__)
CONFIG, REFERENCE = "monitoring/monitoring.json", "monitoring/reference.parquet"
RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
LOOK_EVERY_S = 0.5
ABSENT_AGAIN_S = 60.0


class ReferenceAbsent(LookupError):
    """The run is there, or not, but it holds no monitoring artifact."""


def decide_retry_s(failures: int) -> float:
    """Seconds until MLflow is asked again after so many failures in a row."""
    return min(0.5 * 2.0**failures, 15.0)


class ReferenceStore:
    """Folder with one folder a run: monitoring.json and reference.parquet, there once both are whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def reference(self, run_id: str) -> Path:
        """Path of a run's reference rows."""
        return self._folder / run_id / "reference.parquet"

    def keep(self, run_id: str, name: str, content: bytes) -> None:
        """Write one file of a run, whole or not at all."""
        path = self._folder / run_id / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{name}.part")
        with part.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)


class Mlflow:
    """The few artifact calls of MLflow that are needed here."""

    def __init__(self, address: str) -> None:
        self._client = httpx.AsyncClient(base_url=address, timeout=httpx.Timeout(30, connect=3), trust_env=False)

    async def fetch(self, run_id: str) -> tuple[bytes, bytes]:
        """Configuration and reference of a run.

        Raises:
            ReferenceAbsent: the run has no such artifacts, or there is no such run.
            httpx.HTTPError: MLflow did not answer as it should; ask again.
        """
        asked = {"run_id": run_id, "path": "monitoring"}
        listed = await self._client.get("/api/2.0/mlflow/artifacts/list", params=asked)
        if listed.status_code in (400, 404):
            raise ReferenceAbsent(f"MLflow has no run {run_id}")
        listed.raise_for_status()
        names = {held.get("path") for held in listed.json().get("files", [])}
        missing = {CONFIG, REFERENCE} - names
        if missing:
            raise ReferenceAbsent(f"run {run_id} has no artifact {' and no '.join(sorted(missing))}")
        return await self._artifact(run_id, CONFIG), await self._artifact(run_id, REFERENCE)

    async def _artifact(self, run_id: str, path: str) -> bytes:
        answer = await self._client.get("/get-artifact", params={"path": path, "run_uuid": run_id})
        answer.raise_for_status()
        return answer.content

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


class Fetcher:
    """Brings the configuration of every version that has answered into the store; asks again while MLflow is down."""

    def __init__(
        self,
        writer: Writer,
        reader: Reader,
        references: ReferenceStore,
        mlflow: Mlflow,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._writer, self._reader, self._references, self._mlflow = writer, reader, references, mlflow
        self._clock = clock
        self._due: dict[int, float] = {}
        self._failures: dict[int, int] = {}

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            while True:
                try:
                    for version in await asyncio.to_thread(self._reader.versions):
                        if self._is_due(version):
                            await self._bring(version)
                except Exception:
                    log.exception("the fetcher goes on")
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            await self._mlflow.close()

    def _is_due(self, version: VersionView) -> bool:
        if not version.run_id or self._due.get(version.version, 0.0) > self._clock():
            return False
        return version.config_state != "ready" or not self._references.reference(version.run_id).exists()

    async def _bring(self, version: VersionView) -> None:
        number, run_id = version.version, version.run_id
        try:
            if not RUN_ID.fullmatch(run_id):
                raise ReferenceAbsent(f"{run_id!r} is not a run id")
            config, reference = await self._mlflow.fetch(run_id)
            parse_config(config)
        except httpx.HTTPError as error:
            failures = self._failures[number] = self._failures.get(number, 0) + 1
            self._due[number] = self._clock() + decide_retry_s(failures)
            log.warning("MLflow did not give the reference of run %s: %s: %s", run_id, type(error).__name__, error)
            return
        except (ReferenceAbsent, MonitoringConfigInvalid) as error:
            state = "none" if isinstance(error, ReferenceAbsent) else "invalid"
            self._due[number] = self._clock() + ABSENT_AGAIN_S
            if version.config_state != "ready":
                await self._set(number, state, None, str(error).removeprefix("error: "))
            return
        await asyncio.to_thread(self._references.keep, run_id, "reference.parquet", reference)
        await asyncio.to_thread(self._references.keep, run_id, "monitoring.json", config)
        await self._set(number, "ready", config, "")
        log.info("version %s of %s is watched: reference of run %s", version.model_version, version.service, run_id)

    async def _set(self, number: int, state: str, config: bytes | None, error: str) -> None:
        await self._writer.commit(lambda store: store.set_config(number, state=state, config=config, error=error))
