"""YAML as data that JSON could hold too, with bounds on what a small text may grow into.

Scalars as in YAML 1.1 the way Kubernetes' own parser takes them (`y` and `no` are booleans), but no dates, sets or
bytes; keys become strings, anchors may be used, and a text whose anchors multiply into millions of values is refused.
"""

from __future__ import annotations

import math
import re
from typing import Any

import orjson
import yaml

from modelyard.serving.api.depth import MOST_LEVELS

MOST_VALUES = 200_000
"""Values that a text may stand for with all its anchors written out; KServe's largest manifests have some hundreds."""
MOST_BYTES = 300_000
"""Of a text that is not JSON, which takes a parser in Python 20 s a megabyte."""
TRUE = {"y", "yes", "on", "true"}
FALSE = {"n", "no", "off", "false"}


class NotPlain(ValueError):
    """The text is no YAML, or holds what JSON could not."""


class _Loader(yaml.SafeLoader):
    """Only scalars, lists and objects."""

    def construct_bool(self, node: yaml.ScalarNode) -> bool:
        return node.value.lower() in TRUE


_BOOLEAN, _NULL, _STRING, _TIME = (f"tag:yaml.org,2002:{kind}" for kind in ("bool", "null", "str", "timestamp"))
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag not in (_TIME, _BOOLEAN)]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    _BOOLEAN, re.compile(r"^(y|yes|n|no|true|false|on|off)$", re.IGNORECASE), list("yYnNtTfFoO")
)
_Loader.add_constructor(_BOOLEAN, _Loader.construct_bool)
_PLAIN = {f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "seq", "map", "str", "merge")}
_Loader.yaml_constructors = {
    tag: make for tag, make in _Loader.yaml_constructors.items() if tag is None or tag in _PLAIN
}


def load(body: bytes) -> Any:
    """The first and only document of a text.

    Raises:
        NotPlain: as said there.
    """
    if body.lstrip()[:1] in (b"{", b"["):
        try:
            return orjson.loads(body)  # what kubectl sends as YAML is JSON
        except orjson.JSONDecodeError:
            pass
    if len(body) > MOST_BYTES:
        raise NotPlain(f"yaml of {len(body)} bytes: must have at most {MOST_BYTES}")
    try:
        held = yaml.load(body, Loader=_Loader)  # noqa: S506, a SafeLoader with less
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        raise NotPlain(f"yaml parse error: {error}") from error
    return _Copy().of(held, 0)


class _Copy:
    """Copies data with anchors written out, so that nothing is shared and nothing is without end."""

    def __init__(self) -> None:
        self._left = MOST_VALUES

    def of(self, value: Any, level: int) -> Any:
        self._left -= 1
        if self._left < 0:
            raise NotPlain(f"yaml stands for more than {MOST_VALUES} values")
        if level > MOST_LEVELS:
            raise NotPlain(f"yaml is nested more than {MOST_LEVELS} levels deep")
        if isinstance(value, dict):
            return {self.key(key): self.of(held, level + 1) for key, held in value.items()}
        if isinstance(value, list):
            return [self.of(held, level + 1) for held in value]
        return self.text(value) if isinstance(value, str) else self.number(value)

    def number(self, value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            raise NotPlain(f"yaml has the number {value}, which JSON has not")
        if isinstance(value, int) and abs(value) >= 2**63:
            return self.number(float(value)) if abs(value) < 2**1023 else self.number(math.inf)
        return value

    def key(self, key: Any) -> str:
        if isinstance(key, bool):
            return str(key).lower()
        if isinstance(key, str | int | float):
            return self.text(str(key))
        raise NotPlain(f"yaml has a key that is no scalar: {key!r}"[:200])

    def text(self, value: str) -> str:
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise NotPlain(f"yaml has text that is no Unicode: {error}") from error
        return value
