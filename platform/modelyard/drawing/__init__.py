"""What a report looks like: inline SVG without script or network, and the one style of every page."""

from __future__ import annotations

from pathlib import Path


def style(*names: str) -> str:
    """Style sheets by name, colours for light and dark first; all of them where none is named."""
    folder = Path(__file__).parent
    return "".join(
        (folder / f"{name}.css").read_text("utf-8") for name in ("colours", *(names or ("page", "timeline")))
    )
