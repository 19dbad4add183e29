"""Rules about what watches: the monitor's backlog, drift, the data file, and alerts that nothing else explains."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from modelyard.why.facts import Diagnosis, Facts
from modelyard.why.objects import events_about, pods_of, subject_of
from modelyard.why.serving import describe_inferenceservice

Object = dict[str, Any]
ATTEMPT = re.compile(r"window \d+ of version \S+, attempt (\d+): (.*)")
MANY_WINDOWS, MANY_EVENTS = 3, 1000
LATELY_S = 30.0
"""Attempts that fail follow one another within 15 seconds."""
ALONE_RATIO = 5.0
"""One column that is so many times farther away than the next: its unit has changed rather than the world."""
REPORTED = {"InputDrift", "ClassRecallLow"}


def diagnose_monitor(facts: Facts) -> Iterator[Diagnosis]:
    """A monitor that answers and does not get its work done, or does not know what a version was trained on."""
    if facts.monitor is None:
        return
    backlog = facts.monitor.get("backlog", {})
    windows, events = int(backlog.get("windows", 0)), int(backlog.get("events", 0))
    tried, line = _last_attempt(facts)
    if windows and (tried or windows >= MANY_WINDOWS):
        told = f"its reports fail: {tried}" if tried else "its report process does not keep up"
        yield _monitor(2, f"answers; {windows} windows wait for a verdict", told, "./invoke logs monitor", line)
    elif events >= MANY_EVENTS:
        told = "it does not keep up with the events, or their other halves do not come"
        yield _monitor(2, f"answers; {events} events wait", told, "./invoke logs monitor", line)
    for held in facts.monitor.get("versions", ()):
        if held.get("in_traffic") and held.get("config", {}).get("state") in ("none", "invalid"):
            version = f"version {held['model_version']} of {held['namespace']}/{held['inferenceservice']}"
            told = f"{version} is counted and not judged: {held['config'].get('error', '')}"
            yield _monitor(3, "answers", told, "./invoke logs monitor", "")


def _last_attempt(facts: Facts) -> tuple[str, str]:
    """What the last attempt at a window met, and its line; nothing where that was a while ago."""
    for line in reversed(facts.monitor_log):
        found = ATTEMPT.search(line)
        if found:
            return (found[2], line.strip()) if facts.now - written_at(line) < LATELY_S else ("", "")
    return "", ""


def written_at(line: str) -> float:
    """When a line of the monitor's log was written (logging's asctime, local), in seconds since 1970; 0 if unknown."""
    try:
        return datetime.strptime(line[:19], "%Y-%m-%d %H:%M:%S").timestamp()
    except ValueError:
        return 0.0


def _monitor(rank: int, condition: str, cause: str, command: str, line: str) -> Diagnosis:
    return Diagnosis("service monitor", rank, condition, cause, command, kind="monitor", log_line=line)


def diagnose_drift(facts: Facts) -> Iterator[Diagnosis]:
    """Versions in traffic whose last window drifted, or that no longer recognise a class."""
    services = {subject_of(held): held for held in facts.services or ()}
    for held in (facts.monitor or {}).get("versions", ()):
        service = services.get(f"isvc {held['namespace']}/{held['inferenceservice']}")
        if service is None or not held.get("in_traffic"):
            continue
        told = _drift(held) or _recall(held)
        if told is None:
            continue
        kind, cause, command = told
        yield Diagnosis(
            subject=subject_of(service),
            rank=3,
            condition=describe_inferenceservice(service, facts),
            cause=cause,
            next_command=command,
            kind=kind,
            events=events_about(facts.events, service, pods_of(service, facts.pods)),
        )


def _drift(version: Object) -> tuple[str, str, str] | None:
    breaches = int(version.get("drift", {}).get("breaches_in_a_row") or 0)
    if not breaches:
        return None
    far = far_columns((version["drift"].get("last") or {}).get("columns") or {})
    windows = f"{breaches} window{'s' if breaches > 1 else ''} in a row"
    told = f"its inputs are no longer what version {version['model_version']} was trained on ({windows})"
    named = ", ".join(f"{name} {distance:.1f}" for name, distance in far[:3])
    if len(far) == 1 or (len(far) > 1 and far[0][1] >= ALONE_RATIO * far[1][1]):
        told += f": {far[0][0]} alone is {far[0][1]:.1f} away; one column alone is a unit or a sender that has changed"
        return "data", told, "./invoke open monitor"
    return "data", f"{told}: farthest away are {named}; the world has changed", "./invoke data v2 && ./invoke train"


def far_columns(columns: Mapping[str, float | None]) -> list[tuple[str, float]]:
    """Columns by their distance, the farthest first; those that are near nothing (below 0.1) are left out."""
    held = [(name, distance) for name, distance in columns.items() if distance is not None and distance >= 0.1]
    return sorted(held, key=lambda found: -found[1])


def _recall(version: Object) -> tuple[str, str, str] | None:
    quality = version.get("quality", {})
    low = {name: n for name, n in (quality.get("breaches_in_a_row") or {}).items() if n >= 2}
    if not low:
        return None
    recall = (quality.get("last") or {}).get("recall") or {}
    named = ", ".join(f"{name} ({recall[name]:.2f})" if recall.get(name) is not None else name for name in sorted(low))
    told = f"version {version['model_version']} no longer recognises {named}, and its inputs do not drift"
    return "model", f"{told}: the answers are wrong, not the questions", "./invoke train && ./invoke canary"


def diagnose_data(facts: Facts) -> Iterator[Diagnosis]:
    """A data file that is not what the tag of its version names."""
    held = facts.data
    if held is None or not held.tag_md5 or held.md5 == held.tag_md5:
        return
    found = f"has md5 {held.md5}" if held.md5 else "is missing"
    yield Diagnosis(
        subject="data flights.parquet",
        rank=4,
        condition=f"{held.path} {found}; tag data-{held.version} names {held.tag_md5}",
        cause="the file was changed or damaged after it was versioned: training on it would not be training on "
        f"{held.version}",
        next_command=f"./invoke data {held.version}",
        kind="data",
    )


def diagnose_alerts(facts: Facts, explained: set[str]) -> Iterator[Diagnosis]:
    """Alerts that fire about something that no other rule has named."""
    for alert in facts.alerts or ():
        labels = alert.get("labels", {})
        if alert.get("state") != "firing":
            continue
        subject = subject_of_alert(labels)
        if subject in explained or (labels.get("service") and facts.is_well(labels["service"])):
            continue
        told = alert.get("annotations", {})
        yield Diagnosis(
            subject=subject,
            rank=5,
            condition=f"alert {labels.get('alertname')} fires: {told.get('summary', '')}",
            cause=told.get("description", ""),
            next_command="./invoke open alertmanager",
        )


def subject_of_alert(labels: Mapping[str, str]) -> str:
    """What an alert is about."""
    if labels.get("inferenceservice"):
        return f"isvc {labels.get('namespace', 'default')}/{labels['inferenceservice']}"
    return f"service {labels['service']}" if labels.get("service") else f"alert {labels.get('alertname', '')}"
