"""What a story remembers between chapters: a JSON file in its report's folder, whole at every moment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from modelyard.errors import StoryOutOfOrder

NAME = "state.json"


class State:
    """Facts by name, and figures (lists and maps) that the report's charts are drawn from."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            held = json.loads(path.read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            held = {}
        self.facts: dict[str, Any] = held.get("facts", {})
        self.figures: dict[str, Any] = held.get("figures", {})

    def keep(self, **facts: Any) -> None:
        """Remember facts, on disk."""
        self.facts.update(facts)
        self.save()

    def save(self) -> None:
        """Write the file anew; a reader sees the old one or the new one."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_name(f".{NAME}.part")
        held = {"facts": self.facts, "figures": self.figures}
        part.write_text(json.dumps(held, indent=2, default=str) + "\n", encoding="utf-8")
        part.replace(self._path)

    def need(self, fact: str, *, chapter: str) -> Any:
        """A fact that an earlier chapter left.

        Raises:
            StoryOutOfOrder: it did not; the next command is that chapter.
        """
        if fact not in self.facts:
            raise StoryOutOfOrder(
                f"the story does not know {fact.replace('_', ' ')} yet",
                allowed=f"chapter {chapter} comes first",
                next_command=f"./invoke demo --only {chapter}",
            )
        return self.facts[fact]
