"""What is known of a yard at one moment, gathered from outside: nothing is decided here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelyard.faults.records import FaultRecord
from modelyard.yard.conditions import Condition

Object = dict[str, Any]


@dataclass(frozen=True)
class DataFile:
    """The data file of the workspace: what it is, and what the tag of its version says that it should be.

    `tag_md5` is "" where the version has no tag; `md5` is "" where the file is missing.
    """

    path: str
    md5: str
    version: str
    tag_md5: str


@dataclass(frozen=True)
class Facts:
    """Everything that `why` reads. None means that it could not be asked, which is not the same as nothing.

    Attributes:
        now: seconds since 1970.
        supervised: whether a supervisor answers.
        conditions: of every service, in the order of the catalog.
        needs: which services each service needs.
        optional: services that may be missing.
        services: InferenceServices.
        pods: of all of them.
        events: of the Kubernetes API.
        alerts: that are pending or firing in Prometheus.
        monitor: its GET /status.
        monitor_log: the end of its log.
        registered: digest by (registered model, version), "" where the registry has none.
        frozen: pid -> service of the yard's processes that are stopped (SIGSTOP).
        replica_logs: by pod: path of its log and the line of it that matters.
        data: the workspace's data file, None where there is none yet.
        faults: in force, made on purpose.
    """

    now: float
    supervised: bool
    conditions: Sequence[Condition]
    needs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    services: Sequence[Object] | None = None
    pods: Sequence[Object] = ()
    events: Sequence[Object] = ()
    alerts: Sequence[Object] | None = None
    monitor: Object | None = None
    monitor_log: Sequence[str] = ()
    registered: Mapping[tuple[str, str], str] = field(default_factory=dict)
    frozen: Mapping[int, str] = field(default_factory=dict)
    replica_logs: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    data: DataFile | None = None
    faults: Sequence[FaultRecord] = ()

    def condition(self, service: str) -> Condition | None:
        """The condition of a service."""
        return next((held for held in self.conditions if held.service == service), None)

    def is_well(self, service: str) -> bool:
        """Whether a service is ready, as far as is known."""
        held = self.condition(service)
        return held is None or held.state == "ready"


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with one thing.

    Attributes:
        subject: "service NAME", "isvc NAMESPACE/NAME" or "data FILE".
        rank: 0 is the worst; equal ones stay in the order in which they were found.
        condition: how it is, one line.
        cause: why, one line; the true cause where it is known, else what is known of it.
        next_command: what a person types next.
        kind: which kind of fault on purpose would look so; "" for none.
        events: the last ones about it, oldest first, one line each.
        log: path of the log in which the line stands.
        log_line: its last line that matters.
        fault: the fault on purpose that has done it.
    """

    subject: str
    rank: int
    condition: str
    cause: str
    next_command: str
    kind: str = ""
    events: tuple[str, ...] = ()
    log: str = ""
    log_line: str = ""
    fault: FaultRecord | None = None
