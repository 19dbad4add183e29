"""The programs of a yard that are no Python packages: found on PATH or in the cache, else fetched, and checked."""

from modelyard.toolbox.archives import ask_version
from modelyard.toolbox.box import Toolbox
from modelyard.toolbox.pins import PINS, Pin, is_new_enough, load_pins, parse_version

__all__ = ["PINS", "Pin", "Toolbox", "ask_version", "is_new_enough", "load_pins", "parse_version"]
