"""The programs of a yard that are no Python packages: found on PATH or in the cache, else fetched, and checked."""

from modelyard.toolbox.box import PINS, Pin, Toolbox, ask_version, is_new_enough, load_pins, parse_version

__all__ = ["PINS", "Pin", "Toolbox", "ask_version", "is_new_enough", "load_pins", "parse_version"]
