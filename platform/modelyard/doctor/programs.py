"""The pinned programs: here, or where `up` would get them."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from modelyard.doctor.finding import Finding, fine, problem, warning
from modelyard.doctor.network import Reply, tell_reply
from modelyard.doctor.system import System
from modelyard.settings import Settings
from modelyard.toolbox import Pin
from modelyard.toolbox.pins import find_platform

REQUIRED = ("prometheus", "alertmanager", "envoy", "rclone", "kubectl")
OPTIONAL = ("grafana",)


@dataclass(frozen=True)
class Programs:
    """Programs that are here, and the address of the release of those that are not (empty where none is pinned)."""

    here: tuple[str, ...]
    missing: Mapping[str, str] = field(default_factory=dict)
    debian: bool = False


def gather_programs(settings: Settings) -> Programs:
    """Look on PATH and in the cache; nothing is fetched."""
    import shutil

    from modelyard.toolbox import Toolbox

    wanted = (*REQUIRED, *(OPTIONAL if settings.grafana != "never" else ()))
    box = Toolbox(settings.cache_dir, lambda line: None)
    here = tuple(name for name in wanted if box.look(name))
    missing = {name: _address(box.pins[name], settings) for name in wanted if name not in here}
    return Programs(here, missing, debian=shutil.which("apt-get") is not None)


def _address(pin: Pin, settings: Settings) -> str:
    """Where the release for this machine lies: at the mirror where one is set."""
    key = find_platform(platform.system(), platform.machine())
    for release in pin.releases:
        if key in release.files:
            held = release.files[key]
            return f"{settings.mirror.rstrip('/')}/{held.name}" if settings.mirror else held.address
    return ""


def addresses_to_ask(programs: Programs) -> dict[str, str]:
    """Addresses of the network that stand for programs that are missing."""
    return {name: address for name, address in programs.missing.items() if address.startswith("http")}


def decide_programs(programs: Programs, replies: Iterable[Reply], system: System) -> list[Finding]:
    """What is missing and cannot be had is a problem, unless the yard does without."""
    answered = {reply.use: reply for reply in replies}
    found = []
    for name in programs.missing:
        if name in OPTIONAL:
            continue
        reply = answered.get(name)
        if reply is None or reply.answers or (programs.debian and name in ("prometheus", "alertmanager")):
            continue
        found.append(
            problem(
                "programs",
                f"{name} is not here, and its publisher is out of reach ({tell_reply(reply)}).",
                "the yard cannot start without it",
                f"brew install {name}" if system.kind == "darwin" else f"./invoke fetch {name}",
            )
        )
    if found:
        return found
    later = [name for name in programs.missing if name not in OPTIONAL]
    if "envoy" in later and system.kind == "darwin":
        return [problem("programs", "envoy is not here.", "it is the gateway of the yard", "brew install envoy")]
    if later:
        return [
            warning(
                "programs",
                f"{' and '.join(later)} {'are' if len(later) > 1 else 'is'} not here yet.",
                "the first `up` fetches what is missing, which takes a minute",
                "./invoke fetch",
            )
        ]
    without = "" if "grafana" in programs.here else "; no Grafana, the board shows the same dashboards"
    return [fine("programs", f"{', '.join(programs.here)}{without}")]
