"""What the control plane and the activator tell each other: JSON lines on a Unix socket.

Control plane to activator: `{"table": [...]}`, the whole of it each time. Activator to control plane:
`{"report": [...]}` and `{"poke": {...}}`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import orjson

NAMESPACE_HEADER = "Knative-Serving-Namespace"
REVISION_HEADER = "Knative-Serving-Revision"
"""With these the gateway says for which revision a request is; source: knative serving, pkg/activator/activator.go."""
DEFAULT_TIMEOUT_S = 300
"""Of a request; Knative's revision-timeout-seconds."""
Key = tuple[str, str]
"""Namespace and name of a revision."""
LINE_LIMIT_BYTES = 2**24
"""Of one message: a table of 10,000 revisions has about 1.5 MB."""


@dataclass(frozen=True)
class TableEntry:
    """What the activator may do for one revision.

    `ports` are those of its ready replicas on 127.0.0.1; `container_concurrency` requests at most go to each at a time,
    0 for any number.
    """

    namespace: str
    revision: str
    ports: tuple[int, ...] = ()
    container_concurrency: int = 0
    timeout_s: float = DEFAULT_TIMEOUT_S

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return self.namespace, self.revision


@dataclass(frozen=True)
class Report:
    """One revision's requests in the activator: forwarded and held now, average of both together, arrivals a second."""

    active: int
    queued: int
    concurrency: float
    rps: float


def encode_table(table: Iterable[TableEntry]) -> bytes:
    """A line for the activator."""
    return orjson.dumps({"table": [asdict(entry) for entry in table]}) + b"\n"


def parse_table(told: Iterable[Mapping[str, Any]]) -> list[TableEntry]:
    """Entries of a told table.

    Raises:
        KeyError, TypeError, ValueError: an entry is not as `encode_table` makes it.
    """
    return [
        TableEntry(
            namespace=str(held["namespace"]),
            revision=str(held["revision"]),
            ports=tuple(int(port) for port in held.get("ports", ())),
            container_concurrency=int(held.get("container_concurrency", 0)),
            timeout_s=float(held.get("timeout_s", DEFAULT_TIMEOUT_S)),
        )
        for held in told
    ]


def encode_report(reports: Mapping[Key, Report]) -> bytes:
    """A line for the control plane."""
    told = [{"namespace": key[0], "revision": key[1], **asdict(report)} for key, report in reports.items()]
    return orjson.dumps({"report": told}) + b"\n"


def parse_report(told: Iterable[Mapping[str, Any]]) -> dict[Key, Report]:
    """Reports by revision; raises as `parse_table` does."""
    return {
        (held["namespace"], held["revision"]): Report(
            int(held["active"]), int(held["queued"]), float(held["concurrency"]), float(held["rps"])
        )
        for held in told
    }


def encode_poke(key: Key) -> bytes:
    """A line that asks for the first replica of a revision."""
    return orjson.dumps({"poke": {"namespace": key[0], "revision": key[1]}}) + b"\n"
