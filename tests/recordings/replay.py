"""Compares answers with recorded ones, and knows which differences docs/kserve.md has listed.

A difference is a call's label and the path of a value in its answer, such as `api:get/table rows.0.cells.1`. The last
column of the tables in docs/kserve.md holds patterns of such differences in backquotes. A difference that no row lists
fails a test, and so does a row that lists nothing any more.
"""

from __future__ import annotations

import fnmatch
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
GUIDE = FOLDER.parents[1] / "docs" / "kserve.md"
ABSENT = "(absent)"


@dataclass(frozen=True)
class Difference:
    """One value that is not as recorded."""

    call: str
    path: str
    recorded: Any
    answered: Any

    def __str__(self) -> str:
        return f"{self.call} {self.path}: recorded {shown(self.recorded)}, answered {shown(self.answered)}"


@dataclass
class Guide:
    """The patterns of one part (`api`, `data`, `events`, `metrics`, `watch`), and which of them were met."""

    patterns: list[str]
    met: set[str] = field(default_factory=set)

    def unlisted(self, differences: list[Difference]) -> list[str]:
        """Differences that no row lists."""
        left = []
        for difference in differences:
            found = [pattern for pattern in self.patterns if matches(pattern, difference)]
            self.met.update(found)
            if not found:
                left.append(str(difference))
        return left

    @property
    def stale(self) -> list[str]:
        """Patterns that listed nothing."""
        return [pattern for pattern in self.patterns if pattern not in self.met]


def recording(name: str) -> Any:
    """A recorded file as data."""
    return json.loads((FOLDER / name).read_text("utf-8"))


def guide_of(part: str, text: str | None = None) -> Guide:
    """The listed differences of one part."""
    rows = [line for line in (text or GUIDE.read_text("utf-8")).splitlines() if line.startswith("|")]
    cells = [row.strip().strip("|").split("|")[-1] for row in rows]
    named = [pattern for cell in cells for pattern in re.findall(r"`([^`]+)`", cell)]
    return Guide([pattern for pattern in named if pattern.startswith(f"{part}:")])


def matches(pattern: str, difference: Difference) -> bool:
    """Whether a pattern such as `api:get/* status.conditions.*.reason` lists a difference.

    `*` in a path stands for one step, `**` at its end for any.
    """
    call, _, path = pattern.partition(" ")
    wanted, steps = path.split("."), difference.path.split(".")
    if wanted[-1] == "**":
        wanted, steps = wanted[:-1], steps[: len(wanted) - 1]
    return (
        fnmatch.fnmatchcase(difference.call, call)
        and len(wanted) == len(steps)
        and all(fnmatch.fnmatchcase(step, want) for step, want in zip(steps, wanted, strict=True))
    )


def differences(call: str, recorded: Any, answered: Any, path: str = "") -> list[Difference]:
    """Every value of an answer that is not as recorded; a subtree that is absent on one side is one difference."""
    if isinstance(recorded, dict) and isinstance(answered, dict):
        found = []
        for key in sorted({*recorded, *answered}):
            here = f"{path}.{key}" if path else key
            found += differences(call, recorded.get(key, ABSENT), answered.get(key, ABSENT), here)
        return found
    if isinstance(recorded, list) and isinstance(answered, list):
        found = []
        for index in range(max(len(recorded), len(answered))):
            ours = answered[index] if index < len(answered) else ABSENT
            theirs = recorded[index] if index < len(recorded) else ABSENT
            found += differences(call, theirs, ours, f"{path}.{index}" if path else str(index))
        return found
    return [] if recorded == answered else [Difference(call, path, recorded, answered)]


def by_name(value: Any, keys: tuple[str, ...]) -> Any:
    """The same data with lists of named things as objects by name; dots of a name become underscores."""
    if isinstance(value, dict):
        return {key: by_name(held, keys) for key, held in value.items()}
    if not isinstance(value, list):
        return value
    named = [next((item[key] for key in keys if key in item), None) for item in value if isinstance(item, dict)]
    if not value or len(named) != len(value) or None in named:
        return [by_name(held, keys) for held in value]
    return {name.replace(".", "_"): by_name(item, keys) for name, item in zip(named, value, strict=True)}


def without(value: Any, keys: set[str]) -> Any:
    """The same data without these keys at any depth."""
    if isinstance(value, dict):
        return {key: without(held, keys) for key, held in value.items() if key not in keys}
    return [without(held, keys) for held in value] if isinstance(value, list) else value


def shown(value: Any) -> str:
    """A value on one line, cut."""
    told = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return told if len(told) <= 200 else told[:199] + "…"
