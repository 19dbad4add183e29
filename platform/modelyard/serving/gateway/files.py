"""Telling Envoy: files in an order that never routes to what is not there, and the word that it has taken them."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx

from modelyard.serving.gateway.tables import ROUTES, TrafficTable, envoy_files, replace_file, version_of

TAKEN_DEADLINE_S = 2.0
POLL_S = 0.01


class Gateway:
    """Envoy of the yard, by its watched folder and its admin socket; `activator` is where it finds that one."""

    def __init__(self, folder: Path, admin: Path, activator: Path) -> None:
        self._folder = folder
        self._activator = activator
        self._admin = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(admin)), base_url="http://envoy", timeout=2.0
        )

    async def apply(self, table: TrafficTable) -> bool:
        """Write the table's files and wait until Envoy has taken them; whether it has.

        Clusters and their endpoints come before the routes that name them. A cluster that routes still name must stay
        in the table for one more call.
        """
        files = envoy_files(table, self._folder, self._activator)
        routes = files.pop("rds.json")
        changed = [replace_file(self._folder / name, content) for name, content in files.items()]
        if any(changed):
            await self._wait_taken(files)
        replace_file(self._folder / "rds.json", routes)
        self._sweep(files)
        return await self._wait_taken({**files, "rds.json": routes})

    async def close(self) -> None:
        """End the connection to the admin socket."""
        await self._admin.aclose()

    def _sweep(self, files: dict[str, bytes]) -> None:
        for path in (self._folder / "eds").glob("*.json"):
            if f"eds/{path.name}" not in files:
                path.unlink(missing_ok=True)

    async def _wait_taken(self, files: dict[str, bytes]) -> bool:
        end = time.monotonic() + TAKEN_DEADLINE_S
        while True:
            versions = await self._versions()
            if versions is None:
                return False
            if all(versions.get(name) == version_of(content) for name, content in files.items()):
                return True
            if time.monotonic() > end:
                return False
            await asyncio.sleep(POLL_S)

    async def _versions(self) -> dict[str, str] | None:
        """Version of each file that Envoy has taken, or None where it does not answer."""
        try:
            answer = await self._admin.get("/stats", params={"filter": "version_text$|warming_clusters$"})
        except httpx.HTTPError:
            return None
        if answer.status_code != 200:
            return None
        return versions_from(answer.text)


def versions_from(stats: str) -> dict[str, str]:
    """Version by file, from Envoy's statistics; CDS counts only once no cluster is warming.

    Args:
        stats: lines such as `cluster.default/flights-predictor-00001.version_text: "0a1b"`.
    """
    values = dict(line.split(": ", 1) for line in stats.splitlines() if ": " in line)
    held: dict[str, str] = {}
    for name, value in values.items():
        version = value.strip().strip('"')
        if name == f"http.gateway.rds.{ROUTES}.version_text":
            held["rds.json"] = version
        elif name == "cluster_manager.cds.version_text" and values.get("cluster_manager.warming_clusters") == "0":
            held["cds.json"] = version
        elif name.startswith("cluster.") and name.endswith(".version_text"):
            cluster = name.removeprefix("cluster.").removesuffix(".version_text")
            held[f"eds/{cluster.replace('/', '.', 1)}.json"] = version
    return held
