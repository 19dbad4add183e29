"""From facts to diagnoses, the worst first; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from modelyard.faults.records import FaultRecord
from modelyard.why.facts import Diagnosis, Facts
from modelyard.why.objects import events_about, name_of, pods_of, subject_of
from modelyard.why.services import ALL_DOWN, describe_condition, diagnose_services
from modelyard.why.serving import describe_inferenceservice, diagnose_inferenceservices
from modelyard.why.watching import diagnose_alerts, diagnose_data, diagnose_drift, diagnose_monitor

WELL = "nothing is wrong with it"


def diagnose(facts: Facts) -> list[Diagnosis]:
    """Everything that is wrong, the worst first; causes are named from what was observed, and only then is told which
    of them somebody made on purpose."""
    found = list(diagnose_services(facts))
    if not any(held.condition == ALL_DOWN for held in found):
        found += diagnose_inferenceservices(facts)
        found += diagnose_monitor(facts)
        named = {(held.subject, held.kind) for held in found}
        # A model that is another one answers wrongly: that is no second finding.
        found += [held for held in diagnose_drift(facts) if (held.subject, held.kind) not in named]
        found += diagnose_data(facts)
        found += diagnose_alerts(facts, {held.subject for held in found})
    told = [with_fault(held, facts.faults) for held in found]
    return sorted(told, key=lambda held: held.rank)


def with_fault(found: Diagnosis, faults: Iterable[FaultRecord]) -> Diagnosis:
    """The same with the fault on purpose that has done it: what undoes it is then the command to type."""
    for fault in faults:
        if found.kind == fault.kind and (fault.target == found.subject or found.kind == "store"):
            return replace(found, fault=fault, next_command=fault.undo)
    return found


def about(facts: Facts, subject: str, found: Iterable[Diagnosis]) -> list[Diagnosis]:
    """What is wrong with one subject, or its condition where nothing is."""
    held = [diagnosis for diagnosis in found if diagnosis.subject == subject]
    return held or [well(facts, subject)]


def well(facts: Facts, subject: str) -> Diagnosis:
    """The condition of something that nothing is wrong with."""
    kind, _, name = subject.partition(" ")
    if kind == "isvc":
        for service in facts.services or ():
            if subject_of(service) == subject:
                events = events_about(facts.events, service, pods_of(service, facts.pods))
                return Diagnosis(subject, 9, describe_inferenceservice(service, facts), WELL, "", events=events)
    condition = facts.condition(name)
    told = describe_condition(condition) if condition else "as it should be"
    return Diagnosis(subject, 9, told, WELL, "")


def find_subject(facts: Facts, name: str) -> str | None:
    """What a person means by a name: a service, an InferenceService (NAME or NAMESPACE/NAME), or `data`."""
    if facts.condition(name):
        return f"service {name}"
    if name == "data" and facts.data is not None:
        return "data flights.parquet"
    for service in facts.services or ():
        if name in (name_of(service), f"{service['metadata']['namespace']}/{name_of(service)}"):
            return subject_of(service)
    return None


def known_names(facts: Facts) -> list[str]:
    """Every name that `find_subject` knows."""
    services = [name_of(service) for service in facts.services or ()]
    return [*services, *(held.service for held in facts.conditions), *(["data"] if facts.data else [])]


def hidden(facts: Facts, found: Iterable[Diagnosis]) -> list[FaultRecord]:
    """Faults on purpose that nothing shows yet, or any more."""
    seen = [diagnosis.fault for diagnosis in found]
    return [fault for fault in facts.faults if fault not in seen]
