"""How deep an object may be nested: what walks it does so by recursion."""

from __future__ import annotations

from typing import Any

MOST_LEVELS = 100
"""KServe's schema is 20 deep."""


def levels_of(value: Any) -> int:
    """How deep lists and objects are nested in a value, up to one more than is allowed."""
    level, count = [value], 0
    while level and count <= MOST_LEVELS:
        held = [item for item in level if isinstance(item, dict | list)]
        level = [child for item in held for child in (item.values() if isinstance(item, dict) else item)]
        count += 1
    return count
