"""How the code is checked: the lock, the linters, and the tests on the oldest or newest other Python of the machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from modelyard import formats
from modelyard.connections import REPOSITORY
from modelyard.console import say
from modelyard.errors import CommandFailed, ProgramMissing, SettingError

GROUPS = ("control", "mlflow", "sample", "monitor", "serving", "load", "dev")
PYTHONS = ((3, 11), (3, 12), (3, 13))
SUITES = ("unit", "service", "e2e")
NOTHING_COLLECTED = 5
LEFT_OUT = ("MODELYARD_", "MLFLOW_", "AWS_", "KUBECONFIG", "DVC_")
"""Variables of a shell in which a yard is in use: tests have yards of their own."""


def lock() -> None:
    """Resolve the dependency groups anew for every platform, with hashes; those of model formats in locks of their own.

    Raises:
        ProgramMissing: there is no uv. CommandFailed: they do not resolve.
    """
    uv = shutil.which("uv", path=f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}")
    if uv is None:
        raise ProgramMissing("uv is not on PATH", next_command=f"{sys.executable} -m pip install uv")
    groups = [part for group in GROUPS for part in ("--group", group)]
    told = ["--universal", "--generate-hashes", "--no-header", "--quiet", "--python-version", "3.11"]
    command = [uv, "pip", "compile", *told]
    run([*command, *groups, "--output-file", "requirements.lock"], what="resolving the lock")
    for name, argv in formats.lock_commands(command).items():
        run(argv, what=f"resolving the lock of {name}")


def check() -> None:
    """Run every linter, also where one complains.

    Raises:
        CommandFailed: names those that complained.
    """
    programs = Path(sys.prefix) / "bin"
    failed = failures(
        {
            "ruff check": [programs / "ruff", "check", "."],
            "ruff format": [programs / "ruff", "format", "--check", "."],
            "mypy": [programs / "mypy"],
            "import directions": [programs / "lint-imports", "--no-cache"],
        },
        os.environ,
    )
    raise_failures(failed, "./invoke check")


def test(*, only: str = "", select: str = "") -> None:
    """Run the linters and the tests; without `only` also a second Python, where the machine has one.

    Args:
        only: some of SUITES or `smoke`, with commas between them.
        select: what pytest takes as -k.

    Raises:
        SettingError: `only` names something else. CommandFailed: names what failed.
    """
    chosen = choose_suites(only)
    environment = test_environment(os.environ)
    if "service" in chosen:
        say(f"== model formats that the tests need: {', '.join(formats.add_format('all')) or 'all there'}")
    steps = {name: pytest_command(name, select) for name in chosen}
    if not only and not select:
        programs = Path(sys.prefix) / "bin"
        steps = {"linters": [programs / "invoke", "check"], **steps}
    failed = failures(steps, environment)
    if not only and not select:
        failed += test_second_python(environment)
    raise_failures(failed, "./invoke test")


def choose_suites(only: str) -> tuple[str, ...]:
    """The suites to run, in the order that was asked for.

    Raises:
        SettingError: one is not known.
    """
    chosen = tuple(part for part in only.split(",") if part) or SUITES
    for name in chosen:
        if name not in (*SUITES, "smoke"):
            raise SettingError(
                f"there are no tests called {name!r}",
                allowed=f"{', '.join((*SUITES, 'smoke'))}, with commas between them",
                next_command="./invoke test --only unit",
            )
    return chosen


def pytest_command(suite: str, select: str) -> list[object]:
    """How pytest is called for a suite; `smoke` are the tests with that marker."""
    where = ["tests/service", "-m", "smoke"] if suite == "smoke" else [f"tests/{suite}"]
    return [sys.executable, "-m", "pytest", "-q", *where, *(["-k", select] if select else [])]


def test_environment(shell: Mapping[str, str]) -> dict[str, str]:
    """The shell's variables without those of a yard that is in use; the cache of programs stays."""
    return {
        name: value for name, value in shell.items() if name == "MODELYARD_CACHE_DIR" or not name.startswith(LEFT_OUT)
    }


def test_second_python(environment: Mapping[str, str]) -> list[str]:
    """Run the unit tests and one smoke test on another Python, in an environment of its own beside .venv."""
    found = find_pythons()
    second = decide_second_python(sys.version_info[:2], found)
    if second is None:
        say("second Python: this machine has no other that fits (3.11 to 3.13)")
        return []
    name = ".".join(map(str, second))
    told = {"MODELYARD_PYTHON": str(found[second]), "MODELYARD_VENV": str(REPOSITORY / f".venv-{name}")}
    command = [REPOSITORY / "invoke", "test", "--only", "unit,smoke"]
    return failures({f"Python {name}": command}, {**environment, **told})


def find_pythons() -> dict[tuple[int, int], Path]:
    """The Pythons that fit and run, on PATH or among pyenv's (whose shims run only those that are switched on)."""
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found = {}
    for version in PYTHONS:
        name = "python" + ".".join(map(str, version))
        on_path = shutil.which(name)
        candidates = [*([Path(on_path)] if on_path else []), *sorted(versions.glob(f"*/bin/{name}"))]
        for program in candidates:
            if subprocess.run([program, "-c", ""], capture_output=True, check=False).returncode == 0:
                found[version] = program
                break
    return found


def decide_second_python(present: Sequence[int], found: Iterable[tuple[int, int]]) -> tuple[int, int] | None:
    """The newest that is not the present one; None where there is none."""
    others = [version for version in found if version != tuple(present)]
    return max(others) if others else None


def failures(steps: Mapping[str, Sequence[object]], environment: Mapping[str, str]) -> list[str]:
    """Run every step in the checkout, with a line before and after; returns the names of those that failed."""
    failed = []
    for name, argv in steps.items():
        say(f"== {name}")
        begun = time.monotonic()
        done = subprocess.run([str(word) for word in argv], cwd=REPOSITORY, env=environment, check=False)
        verdict = "passed" if done.returncode == 0 else f"failed ({done.returncode})"
        say(f"== {name}: {verdict} after {time.monotonic() - begun:.0f}s")
        if done.returncode:
            failed.append(name)
    return failed


def raise_failures(failed: list[str], next_command: str) -> None:
    """Raise where something failed.

    Raises:
        CommandFailed: names it.
    """
    if failed:
        raise CommandFailed(f"failed: {', '.join(failed)}", next_command=next_command)


def run(argv: Sequence[object], *, what: str) -> None:
    """Run a command in the checkout.

    Raises:
        CommandFailed: it did not end with 0.
    """
    words = [str(word) for word in argv]
    if subprocess.run(words, cwd=REPOSITORY, check=False).returncode:
        raise CommandFailed(f"{what} failed", next_command=" ".join(words))
