"""What is pinned: the programs of pins.toml with their releases, files and checksums; nothing here acts."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PINS = Path(__file__).with_name("pins.toml")
PLATFORMS = ("linux-amd64", "linux-arm64", "darwin-arm64")
"""Those that ./invoke starts on, as the publishers write them."""
ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
Version = tuple[int, ...]


@dataclass(frozen=True)
class File:
    """One file of a release: its address, and the sha256 (64 hex digits) that it must have."""

    address: str
    name: str
    sha256: str


@dataclass(frozen=True)
class Release:
    """A version as its publisher offers it; `files` by platform."""

    version: str
    source: str
    files: Mapping[str, File]


@dataclass(frozen=True)
class Pin:
    """What pins.toml says of a program."""

    name: str
    executables: tuple[str, ...]
    minimum: str = ""
    optional: bool = False
    without: str = ""
    program: str = ""
    inside: str = ""
    releases: tuple[Release, ...] = ()
    debian_package: str = ""
    debian_program: str = ""
    assets: tuple[str, ...] = ()
    relocate: str = ""
    wheel: str = ""
    homebrew: str = ""

    @property
    def version(self) -> str:
        """The version that is taken first; empty where none is pinned."""
        return self.releases[0].version if self.releases else ""

    @property
    def holder(self) -> str:
        """The program whose release holds this one: mostly its own."""
        return self.inside or self.name


def load_pins(path: Path = PINS) -> dict[str, Pin]:
    """Every pinned program by its name."""
    held = tomllib.loads(path.read_text("utf-8"))["program"]
    return {name: _pin(name, pin, held) for name, pin in held.items()}


def _pin(name: str, held: dict[str, Any], others: dict[str, Any]) -> Pin:
    debian = held.get("debian", {})
    offered = others[held["inside"]] if "inside" in held else held
    return Pin(
        name=name,
        executables=tuple(held["executables"]),
        minimum=held.get("minimum", ""),
        optional=held.get("optional", False),
        without=held.get("without", ""),
        program=held.get("program", ""),
        inside=held.get("inside", ""),
        releases=tuple(_release(release) for release in offered.get("release", ())),
        debian_package=debian.get("package", ""),
        debian_program=debian.get("program", ""),
        assets=tuple(debian.get("assets", ())),
        relocate=debian.get("relocate", ""),
        wheel=held.get("wheel", ""),
        homebrew=held.get("homebrew", ""),
    )


def _release(held: dict[str, Any]) -> Release:
    files = {
        platform: File(held["base"] + file["file"], file["file"], file["sha256"])
        for platform, file in held["files"].items()
    }
    return Release(held["version"], held["source"], files)


def find_platform(system: str, machine: str) -> str:
    """A platform as the publishers write it: ("Linux", "aarch64") is linux-arm64; a guess is never made.

    Args:
        system: as of platform.system().
        machine: as of platform.machine().
    """
    return f"{system.lower()}-{ARCHITECTURES.get(machine.lower(), machine.lower())}"


def parse_version(text: str) -> Version:
    """The first dotted number of a text: `prometheus, version 3.5.3+ds1` is (3, 5, 3); () where there is none."""
    found = re.search(r"(\d+(?:\.\d+)+)", text)
    return tuple(int(part) for part in found.group(1).split(".")) if found else ()


def is_new_enough(version: Version, minimum: str) -> bool:
    """Whether a version that could be read is not older than the minimum; one that could not be read is too old."""
    return not minimum or (bool(version) and version >= parse_version(minimum))


def describe_absence(pin: Pin, too_old: tuple[Path, Version] | None) -> str:
    """Why a program that was not fetched is not there, in a few words."""
    if too_old:
        return (
            f"{too_old[0]} is {'.'.join(map(str, too_old[1])) or 'of no version'}, and {pin.minimum} or newer is needed"
        )
    return f"no {pin.name} program on PATH" + (f", {pin.minimum} or newer" * bool(pin.minimum))
