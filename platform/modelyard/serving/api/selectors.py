"""Label and field selectors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelyard.serving.api.errors import bad_request
from modelyard.serving.api.resources import Resource

Object = dict[str, Any]

_KEY = r"[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?"
_VALUE = r"([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?"
_EQUALITY = re.compile(rf"^\s*(?P<key>{_KEY})\s*(?P<op>==|=|!=)\s*(?P<value>{_VALUE})\s*$")
_SET = re.compile(rf"^\s*(?P<key>{_KEY})\s+(?P<op>in|notin)\s+\((?P<values>[^()]*)\)\s*$")
_EXISTS = re.compile(rf"^\s*(?P<op>!?)\s*(?P<key>{_KEY})\s*$")


@dataclass(frozen=True)
class Requirement:
    """One term of a label selector: the label's value is (not) one of `values`; None: any value."""

    key: str
    values: frozenset[str] | None
    negated: bool

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels satisfy the term; an absent label satisfies a negated one."""
        value = labels.get(self.key)
        found = value is not None and (self.values is None or value in self.values)
        return found != self.negated


@dataclass(frozen=True)
class Selection:
    """Label and field selectors together."""

    labels: tuple[Requirement, ...] = ()
    fields: tuple[tuple[str, str, bool], ...] = ()
    """(path, value, negated)"""

    def matches(self, obj: Object, *, labels: Mapping[str, str] | None = None) -> bool:
        """Whether the object, or the object with other labels, is selected."""
        held = obj["metadata"].get("labels") or {} if labels is None else labels
        return all(term.matches(held) for term in self.labels) and all(
            (field_value(obj, path) == value) != negated for path, value, negated in self.fields
        )


def parse_labels(selector: str) -> tuple[Requirement, ...]:
    """The terms of `a=b,c!=d,e in (f,g),h notin (i),j,!k`.

    Raises:
        ApiError: 400, with the words of a real cluster for a selector that starts with an operator.
    """
    return tuple(_requirement(term) for term in _split(selector)) if selector.strip() else ()


def parse_fields(selector: str, resource: Resource) -> tuple[tuple[str, str, bool], ...]:
    """The terms of `metadata.name=a,metadata.namespace!=b`.

    Raises:
        ApiError: 400, the kind has no such selectable field.
    """
    found = []
    for term in filter(None, selector.split(",")):
        path, operator, value = _field_term(term)
        if path not in resource.selectable:
            raise bad_request(f"field label not supported: {path}")
        found.append((path, value, operator == "!="))
    return tuple(found)


def field_value(obj: Object, path: str) -> str:
    """A field by its dotted path as a string; absent is empty."""
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return "" if value is None else str(value)


def _field_term(term: str) -> tuple[str, str, str]:
    for operator in ("!=", "==", "="):
        if operator in term:
            path, value = term.split(operator, 1)
            return path.strip(), operator, re.sub(r"\\(.)", r"\1", value.strip())
    raise bad_request(f"invalid selector: '{term}'; can't understand '{term}'")


def _split(selector: str) -> list[str]:
    return re.split(r",(?![^(]*\))", selector)


def _requirement(term: str) -> Requirement:
    if found := _EQUALITY.match(term):
        return Requirement(found["key"], frozenset((found["value"],)), found["op"] == "!=")
    if found := _SET.match(term):
        values = frozenset(value.strip() for value in found["values"].split(","))
        return Requirement(found["key"], values, found["op"] == "notin")
    if found := _EXISTS.match(term):
        return Requirement(found["key"], None, found["op"] == "!")
    operator = re.match(r"\s*(==|!=|=|,|\(|\))", term)
    if operator:
        raise bad_request(f"found '{operator[1]}', expected: !, identifier, or 'end of string'")
    raise bad_request(f"unable to parse requirement: {term!r}")
