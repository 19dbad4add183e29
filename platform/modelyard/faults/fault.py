"""What every fault is: how it is prepared, made, seen and undone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from modelyard.connections import Connections
from modelyard.faults.records import FaultRecord
from modelyard.settings import Settings

Say = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """What a fault is about to do: its target, what will be broken in one clause, and what undoing needs."""

    target: str
    told: str
    held: dict[str, Any] = field(default_factory=dict)


class Fault:
    """One way to break one thing.

    Attributes:
        kind: replica, store, model, data or monitor.
        how: the way; the first of a kind in the catalog is what `break KIND` does.
        breaks: what it breaks.
        notice: how one notices.
        look: commands that show more.
        repair: what would repair it had nobody made it on purpose.
    """

    kind: ClassVar[str]
    how: ClassVar[str]
    breaks: ClassVar[str]
    notice: ClassVar[str]
    look: ClassVar[tuple[str, ...]]
    repair: ClassVar[str]

    def prepare(self, conn: Connections, settings: Settings, name: str) -> Prepared:
        """Find the target, and keep a copy of what will be taken away; breaks nothing.

        Args:
            conn: the yard.
            settings: its settings.
            name: of an InferenceService; "" for the one that there is.

        Raises:
            YardError: there is nothing to break, or it is not well now.
        """
        raise NotImplementedError

    def make(self, conn: Connections, settings: Settings, record: FaultRecord, say: Say) -> None:
        """Break it; may be cut at any moment and called again."""
        raise NotImplementedError

    def undo(self, conn: Connections, settings: Settings, record: FaultRecord, say: Say) -> str:
        """Undo it and tell in a line what was done; harmless where it was undone, in whole or in part.

        Raises:
            YardError: it cannot be undone now; the next command says what comes first.
        """
        raise NotImplementedError

    def is_there(self, conn: Connections, record: FaultRecord) -> bool:
        """Whether it is still in force; quick, for `status` asks."""
        return True
