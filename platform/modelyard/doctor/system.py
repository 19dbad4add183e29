"""Which machine this is, as far as advice depends on it: the system, WSL, its package manager, who is at it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from modelyard.doctor.finding import Finding, fine, problem, warning

MANAGERS = {
    "apt-get": "sudo apt-get update && sudo apt-get install -y {}",
    "dnf": "sudo dnf install -y {}",
    "zypper": "sudo zypper install -y {}",
    "pacman": "sudo pacman -S --noconfirm {}",
    "brew": "brew install {}",
}


@dataclass(frozen=True)
class System:
    """A machine and the person at it.

    Attributes:
        kind: `linux` or `darwin`.
        machine: as uname says: x86_64, aarch64, arm64.
        wsl: 0, or the version of the Windows Subsystem for Linux.
        distribution: WSL's name of it, empty elsewhere.
        manager: the package manager that is there, empty where none is known.
        uid: of this process.
        sudo_user: who became root by sudo, empty where nobody did.
        home: the person's folder.
    """

    kind: str = "linux"
    machine: str = "x86_64"
    wsl: int = 0
    distribution: str = ""
    manager: str = ""
    uid: int = 1000
    sudo_user: str = ""
    home: Path = Path("/home/somebody")

    def install(self, package: str) -> str:
        """A command that installs a package; where no manager is known, what to look for."""
        return MANAGERS.get(self.manager, "echo 'install {} by your package manager'").format(package)


def parse_wsl(kernel_release: str) -> int:
    """WSL's version by the kernel's release (uname -r): 2 has `microsoft-standard` or `WSL2`, 1 ends in `Microsoft`."""
    if re.search(r"microsoft-standard|WSL2", kernel_release, re.IGNORECASE):
        return 2
    return 1 if re.search(r"microsoft", kernel_release, re.IGNORECASE) else 0


def gather_system(environ: Mapping[str, str] = os.environ) -> System:
    """Ask this machine."""
    release = platform.release()
    return System(
        kind=sys.platform,
        machine=platform.machine(),
        wsl=parse_wsl(release),
        distribution=environ.get("WSL_DISTRO_NAME", ""),
        manager=next((name for name in MANAGERS if shutil.which(name)), ""),
        uid=os.getuid(),
        sudo_user=environ.get("SUDO_USER", ""),
        home=find_home(),
    )


def find_home() -> Path:
    """The person's folder; a container's user may have none, and then nothing is below it."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/nonexistent")


def decide_system(system: System) -> list[Finding]:
    """WSL 1 and sudo do not do; a Mac with an Intel processor has no Envoy of ours."""
    if system.wsl == 1:
        name = system.distribution or "Ubuntu"
        return [
            problem(
                "system",
                "This is WSL 1, which has no Linux kernel of its own.",
                "sockets, locks and the programs of the yard fail there; WSL 2 is right",
                f"wsl.exe --set-version {name} 2",
            )
        ]
    if system.uid == 0 and system.sudo_user:
        return [
            warning(
                "system",
                f"You are root, by sudo from {system.sudo_user}.",
                "what is made now belongs to root, and later calls without sudo cannot write it",
                "exit  # then the same again without sudo",
            )
        ]
    name = {"darwin": "macOS", "linux": "Linux"}.get(system.kind, system.kind)
    return [fine("system", f"{name} on {system.machine}{f', WSL {system.wsl}' if system.wsl else ''}")]
