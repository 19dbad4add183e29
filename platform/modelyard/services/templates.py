"""Configuration files of services from the templates under compose/, which Compose shares."""

from __future__ import annotations

from typing import Any

from modelyard.connections import REPOSITORY

TEMPLATES = REPOSITORY / "compose"


def render(name: str, **values: Any) -> str:
    """A template of compose/ with its values; a value that the template asks for and does not get is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    # Not HTML: the templates are YAML, and each value of ours is a path, a port or a token that we made.
    environment = Environment(  # noqa: S701
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True
    )
    return environment.get_template(name).render(**values)
