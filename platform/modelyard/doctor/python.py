"""Python: its version, whether it is whole, and whether the environment is what the lock says."""

from __future__ import annotations

import importlib.util
import platform
import shlex
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from modelyard.connections import REPOSITORY
from modelyard.doctor.finding import Finding, fine, problem, warning
from modelyard.doctor.system import System

OLDEST, NEWEST = (3, 11), (3, 13)
NEEDED = ("_bz2", "_ctypes", "_hashlib", "_lzma", "_sqlite3", "_ssl", "zlib")
"""C modules that a Python lacks when it was built without their libraries (pyenv on a fresh machine)."""


@dataclass(frozen=True)
class PythonFacts:
    """The Python that runs this. `stamp_holds`: whether the environment was made from this checkout's lock; `uv`: the
    program that can get another Python."""

    version: tuple[int, int, int]
    executable: Path
    bits: int = 64
    missing: tuple[str, ...] = ()
    translated: bool = False
    stamp_holds: bool = True
    uv: str = "uv"

    @property
    def another(self) -> str:
        """A command that gets a Python that fits, and goes on with it."""
        return f'{self.uv} python install 3.12 && MODELYARD_PYTHON="$({self.uv} python find 3.12)" ./invoke doctor'


def gather_python() -> PythonFacts:
    """Look at this Python and at what the bootstrap noted in its environment."""
    return PythonFacts(
        version=sys.version_info[:3],
        executable=Path(sys.executable),
        bits=struct.calcsize("P") * 8,
        missing=tuple(name for name in NEEDED if importlib.util.find_spec(name) is None),
        translated=_is_translated(),
        stamp_holds=_stamp_holds(Path(sys.prefix)),
        uv=shlex.quote(shutil.which("uv") or "uv"),
    )


def _is_translated() -> bool:
    """Whether an Apple processor runs this as an Intel program (Apple: "Determine whether your app is translated")."""
    if sys.platform != "darwin" or platform.machine() != "x86_64":
        return False
    told = subprocess.run(["sysctl", "-n", "sysctl.proc_translated"], capture_output=True, text=True, check=False)
    return told.stdout.strip() == "1"


def _stamp_holds(environment: Path) -> bool:
    """The bootstrap wrote the checkout and the POSIX cksum of its lock; one without a stamp is a person's own."""
    try:
        held = (environment / "modelyard-stamp").read_text("utf-8").strip()
        told = subprocess.run(
            ["cksum"], input=(REPOSITORY / "requirements.lock").read_bytes(), capture_output=True, check=False
        )
    except OSError:
        return True
    return held == f"{REPOSITORY} {told.stdout.decode().strip()}"


def decide_python(facts: PythonFacts, system: System) -> list[Finding]:
    """One finding: the first thing that is wrong, for all have the same remedy."""
    told = ".".join(map(str, facts.version))
    if not OLDEST <= facts.version[:2] <= NEWEST:
        return [
            problem("python", f"Python is {told}.", "the packages exist for 3.11, 3.12 and 3.13 only", facts.another)
        ]
    if facts.translated:
        return [
            problem(
                "python",
                f"Python {told} is built for Intel and runs translated on this Mac.",
                "packages of the wrong processor would be installed",
                "brew install python@3.12 && MODELYARD_PYTHON=/opt/homebrew/bin/python3.12 ./invoke doctor",
            )
        ]
    if facts.bits != 64:
        return [problem("python", f"Python {told} has {facts.bits} bits.", "the packages need 64 bits", facts.another)]
    if facts.missing:
        names = ", ".join(name.lstrip("_") for name in facts.missing)
        return [
            problem(
                "python",
                f"Python {told} ({facts.executable}) was built without {names}.",
                "MLflow, pandas and downloads need them",
                facts.another,
            )
        ]
    if not facts.stamp_holds:
        return [
            warning(
                "python",
                "The environment was not made from this checkout's requirements.lock.",
                "packages may have other versions than those that were tested",
                "rm -rf .venv && ./invoke doctor",
            )
        ]
    return [fine("python", f"Python {told}")]
