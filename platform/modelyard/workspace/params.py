"""params.yaml: read, and changed so that its comments stay."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelyard.errors import NameUnknown


def read(path: Path) -> dict[str, Any]:
    """The parameters as plain data."""
    import yaml

    return yaml.safe_load(path.read_text("utf-8"))


def write(path: Path, changes: Mapping[str, Any]) -> None:
    """Change parameters that exist, named with dots; comments and order stay, an unchanged file is not written.

    Raises:
        NameUnknown: there is no parameter of that name.
    """
    from ruamel.yaml import YAML

    known = flatten(read(path))
    for name, value in changes.items():
        if name not in known:
            raise NameUnknown(
                f"{path.name} has no parameter {name} (wanted {value!r})",
                allowed=", ".join(known),
                next_command=f"cat {shlex.quote(str(path))}",
            )
    if all(known[name] == value for name, value in changes.items()):
        return
    yaml = YAML()
    yaml.width = 4096
    with path.open(encoding="utf-8") as text:
        held = yaml.load(text)
    for name, value in changes.items():
        *sections, last = name.split(".")
        place = held
        for section in sections:
            place = place[section]
        place[last] = value
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as out:
        yaml.dump(held, out)
    part.replace(path)


def flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested sections as names with dots."""
    flat: dict[str, Any] = {}
    for name, value in nested.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def slug(changes: Mapping[str, Any]) -> str:
    """Changes as a part of a git branch's name."""
    told = "-".join(f"{name.rsplit('.', 1)[-1]}-{value}" for name, value in changes.items())
    return re.sub(r"[^a-z0-9.]+", "-", told.lower()).strip("-.")[:60]
