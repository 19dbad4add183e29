"""The activator's series in Prometheus' text format, under the names and labels of Knative's (serving v0.50)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from modelyard.serving.activator.messages import Key, Report
from modelyard.serving.activator.queue import RevisionQueue

NUMBERED = re.compile(r"-\d+$")
HELP = {
    "kn_revision_request_concurrency": "Concurrent requests that are routed to Activator",
    "kn_revision_request_active": "Number of requests currently being proxied by the activator",
    "kn_revision_request_queued": "Number of requests currently queued in the activator waiting for capacity",
}


def exposition(queues: Mapping[Key, RevisionQueue], last: Mapping[Key, Report]) -> bytes:
    """The series.

    Args:
        queues: of every revision.
        last: the last report's averages by revision.
    """
    lines: dict[str, list[str]] = {name: [] for name in HELP}
    for key, queue in sorted(queues.items()):
        who = f'k8s_namespace_name="{key[0]}",kn_revision_name="{key[1]}"'
        service = NUMBERED.sub("", key[1])
        whose = f'{who},kn_configuration_name="{service}",kn_service_name="{service}"'
        held = last.get(key)
        lines["kn_revision_request_concurrency"].append(f"{{{whose}}} {held.concurrency if held else 0.0:.9g}")
        lines["kn_revision_request_active"].append(f"{{{who}}} {queue.active}")
        lines["kn_revision_request_queued"].append(f"{{{who}}} {queue.queued}")
    told = []
    for name, about in HELP.items():
        told += [f"# HELP {name} {about}", f"# TYPE {name} gauge", *(name + line for line in lines[name])]
    return ("\n".join([*told, *_of_the_process()]) + "\n").encode()


def _of_the_process() -> list[str]:
    """Resident memory, under the Prometheus clients' name; nothing where there is no /proc."""
    try:
        with Path("/proc/self/status").open(encoding="ascii") as status:
            kilobytes = next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
    except (OSError, StopIteration):
        return []
    name = "process_resident_memory_bytes"
    return [f"# HELP {name} Resident memory size in bytes.", f"# TYPE {name} gauge", f"{name} {kilobytes * 1024}"]
