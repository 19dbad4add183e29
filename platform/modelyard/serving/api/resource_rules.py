"""Quantities of `resources`: that they are none below zero, requests within limits, devices whole.

A cluster finds these out when it makes the pod, long after the InferenceService was accepted; here they are told at
once, with the field's path. Source: Kubernetes 1.34 pkg/apis/core/validation (ValidateContainerResourceRequirements).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from modelyard.serving.api.validation import Report

Object = dict[str, Any]

FORM = re.compile(r"([+-]?[0-9]*\.?[0-9]*)(m|n|u|Ki|Mi|Gi|Ti|Pi|Ei|k|M|G|T|P|E|[eE][+-]?[0-9]{1,3})?")
FACTORS = {"n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3")}
FACTORS |= {letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", start=1)}
FACTORS |= {f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)}


def quantity(value: str | float) -> Decimal | None:
    """A quantity such as `100m`, `1.5Gi`, `1e3` or 2; None where it is none."""
    found = FORM.fullmatch(str(value))
    if found is None or not re.search("[0-9]", found[1]):
        return None
    unit = found[2] or ""
    number = Decimal(found[1])
    return number * FACTORS[unit] if unit in FACTORS else number * (Decimal(10) ** int(unit[1:]) if unit else 1)


def resource_causes(predictor: Object, report: Report) -> None:
    """What is wrong with the resources that a predictor asks for."""
    for path, resources in _asked(predictor):
        limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
        for part, held in (("limits", limits), ("requests", requests)):
            for name, value in held.items():
                _judge_quantity(f"{path}.{part}[{name}]", name, value, report)
        _judge_pairs(path, limits, requests, report)


def _asked(predictor: Object) -> Iterator[tuple[str, Object]]:
    model = predictor.get("model")
    if model and model.get("resources"):
        yield "spec.predictor.model.resources", model["resources"]
    for index, container in enumerate(predictor.get("containers") or []):
        if container.get("resources"):
            yield f"spec.predictor.containers[{index}].resources", container["resources"]


def _judge_quantity(path: str, name: str, value: str | float, report: Report) -> None:
    found = quantity(value)
    if found is None:
        told = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    elif found < 0:
        told = "must be greater than or equal to 0"
    elif "/" in name and found != found.to_integral_value():
        told = "must be an integer"
    else:
        return
    report.cause("FieldValueInvalid", path, f'Invalid value: "{value}": {told}')


def _judge_pairs(path: str, limits: Mapping[str, Any], requests: Mapping[str, Any], report: Report) -> None:
    for name, value in requests.items():
        asked, limit = quantity(value), quantity(limits[name]) if name in limits else None
        where = f"{path}.requests"
        if "/" in name and name not in limits:
            # A device cannot be overcommitted.
            report.cause("FieldValueRequired", f"{path}.limits", f"Required value: Limit must be set for {name}")
        elif asked is None or limit is None:
            continue
        elif "/" in name and asked != limit:
            told = f'Invalid value: "{value}": must be equal to {name} limit of {limits[name]}'
            report.cause("FieldValueInvalid", where, told)
        elif asked > limit:
            told = f'Invalid value: "{value}": must be less than or equal to {name} limit of {limits[name]}'
            report.cause("FieldValueInvalid", where, told)
