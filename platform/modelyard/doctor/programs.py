"""The pinned programs: here, or where `up` would get them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from modelyard.doctor.finding import Finding, fine, problem, warning
from modelyard.doctor.network import Reply, tell_reply
from modelyard.doctor.system import System
from modelyard.settings import Settings
from modelyard.toolbox import Pin

REQUIRED = ("prometheus", "alertmanager", "envoy", "rclone", "kubectl")
OPTIONAL = ("grafana",)
IN_ENVIRONMENT = "it comes with the environment"


@dataclass(frozen=True)
class Programs:
    """Programs that are here; and for each that is not, the addresses (or files of a mirror) of which one will do."""

    here: tuple[str, ...]
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def gather_programs(settings: Settings) -> Programs:
    """Look on PATH and in the cache; nothing is fetched."""
    from modelyard.toolbox import Toolbox

    wanted = (*REQUIRED, *(OPTIONAL if settings.grafana != "never" else ()))
    box = Toolbox.of(settings, lambda line: None)
    here = tuple(name for name in wanted if box.look(name))
    return Programs(here, {name: find_sources(box.pins[name], settings) for name in wanted if name not in here})


def find_sources(pin: Pin, settings: Settings) -> tuple[str, ...]:
    """Where a program for this machine may be had: its publisher or the mirror, and Debian's archive."""
    import platform

    from modelyard.toolbox import debian
    from modelyard.toolbox.fetching import at_mirror
    from modelyard.toolbox.pins import find_platform

    key = find_platform(platform.system(), platform.machine())
    releases = [release.files[key] for release in pin.releases[:1] if key in release.files]
    found = [at_mirror(file, settings.mirror).address for file in releases]
    if pin.debian_package and debian.is_usable() and not settings.offline:
        found += debian.find_addresses()
    return tuple(found)


def is_file(address: str) -> bool:
    """Whether a source is a file of this machine."""
    return address.startswith("/")


def addresses_to_ask(programs: Programs, *, offline: bool) -> dict[str, str]:
    """Addresses of the network by what they are for; the first to need one names it."""
    found: dict[str, str] = {}
    for name, addresses in programs.missing.items():
        for address in addresses:
            if not offline and not is_file(address) and address not in found.values():
                found[name if name not in found else f"{name} of Debian"] = address
    return found


def look_at_files(programs: Programs) -> list[Reply]:
    """What is said of files of a mirror, in the form of a server's answers."""
    files = [(name, held) for name, addresses in programs.missing.items() for held in addresses if is_file(held)]
    return [
        Reply(name, held, 200 if Path(held).is_file() else None, "" if Path(held).is_file() else "it is not there")
        for name, held in files
    ]


def decide_programs(programs: Programs, replies: Iterable[Reply], system: System) -> list[Finding]:
    """What is missing and cannot be had is a problem, unless the yard does without."""
    said = {reply.address: reply for reply in replies}
    needed = {name: addresses for name, addresses in programs.missing.items() if name not in OPTIONAL}
    troubles: dict[str, list[str]] = {}
    for name, addresses in needed.items():
        held = [said[address] for address in addresses if address in said]
        if not any(reply.answers for reply in held):
            why = "; ".join(map(tell_reply, held)) or ("no network is used" if addresses else IN_ENVIRONMENT)
            troubles.setdefault(why, []).append(name)
    if troubles:
        return [_out_of_reach(names, why, system) for why, names in troubles.items()]
    if needed:
        return [
            warning(
                "programs",
                f"{' and '.join(needed)} {'are' if len(needed) > 1 else 'is'} not here yet.",
                "the first `up` fetches what is missing, which takes a minute or more",
                "./invoke fetch",
            )
        ]
    without = "; no Grafana, the board shows the same dashboards" if "grafana" in programs.missing else ""
    return [fine("programs", f"{', '.join(programs.here)}{without}")]


def _out_of_reach(names: list[str], why: str, system: System) -> Finding:
    are = "are" if len(names) > 1 else "is"
    found = f"{' and '.join(names)} {are} not here and {are} not to be had ({why})."
    by_mirror = "MODELYARD_MIRROR=/path/of/a/mirror ./invoke fetch"
    again = "rm -rf .venv && ./invoke doctor" if why == IN_ENVIRONMENT else by_mirror
    command = f"brew install {' '.join(names)}" if system.kind == "darwin" else again
    return problem("programs", found, "the yard cannot start without", command)
