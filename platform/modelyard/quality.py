"""How the code is checked: the lock, the linters, and the tests on the oldest or newest other Python of the machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from modelyard import formats, lanes
from modelyard.connections import REPOSITORY
from modelyard.console import say
from modelyard.errors import CommandFailed, NameUnknown, ProgramMissing, SettingError

GROUPS = ("control", "mlflow", "sample", "monitor", "serving", "load", "dev")
PYTHONS = ((3, 11), (3, 12), (3, 13))
SUITES = ("unit", "service", "e2e")
LANES, MOST_LANES = 2, 8
"""As many as a small machine has cores: more of them and tests of behaviour in time meet a machine that is too busy."""
SECOND = "second Python"
LONGEST = (
    "e2e",
    "service/serving_runtime",
    "service/mending",
    "service/yard",
    SECOND,
    "service/monitor",
    "service/test_training_and_registry",
    "service/kubernetes_api",
    "unit",
)
"""What takes a minute or more; not a list of what runs: whatever else there is runs after these."""
LOGS = REPOSITORY / ".pytest_cache" / "lanes"
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


def check(what: str = "") -> None:
    """Run every linter, also where one complains; or check what is named.

    Raises:
        CommandFailed: names those that complained. NameUnknown: nothing is called `what`.
    """
    if what == "dashboards":
        from modelyard.grafana import commands
        from modelyard.settings import load_settings

        return commands.check(load_settings())
    if what:
        raise NameUnknown(f"there is nothing called {what!r} to check", allowed="dashboards, or nothing for the code")
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
    return raise_failures(failed, "./invoke check")


def test(*, only: str = "", select: str = "", width: str = "") -> None:
    """Run the linters and the tests, several at a time; without `only` also a second Python, where the machine has one.

    Args:
        only: some of SUITES or `smoke`, with commas between them.
        select: what pytest takes as -k.
        width: how many run at a time; with 1, or where there is one step, pytest's output is shown as it comes.

    Raises:
        SettingError: `only` or `width` is something else. CommandFailed: names what failed.
    """
    chosen, lane_count = choose_suites(only), choose_lanes(width)
    environment = test_environment(os.environ)
    if "service" in chosen:
        say(f"== model formats that the tests need: {', '.join(formats.add_format('all')) or 'all there'}")
    steps: dict[str, Sequence[object]] = {}
    if not only and not select:
        steps = {"linters": [Path(sys.prefix) / "bin" / "invoke", "check"], **second_python()}
    if lane_count == 1 or select:
        steps |= {name: pytest_command(name, select) for name in chosen}
    else:
        steps |= {name: lane_command(where) for name, where in find_pieces(chosen).items()}
    raise_failures(run_steps(steps, lane_count, environment), "./invoke test")


def run_steps(steps: lanes.Steps, lane_count: int, environment: Mapping[str, str]) -> list[str]:
    """Run steps, in lanes where that makes sense; returns the names of those that failed."""
    if lane_count == 1 or len(steps) == 1:
        return failures(steps, environment)
    ordered = {name: steps[name] for name in longest_first(steps)}
    done = lanes.run_in_lanes(ordered, lanes=lane_count, logs=LOGS, folder=REPOSITORY, environment=environment)
    return [outcome.name for outcome in done if outcome.code]


def choose_lanes(wanted: str) -> int:
    """How many steps run at a time.

    Raises:
        SettingError: that is no number from 1 to 8.
    """
    if not wanted:
        return LANES
    if not wanted.isdecimal() or not 1 <= int(wanted) <= MOST_LANES:
        raise SettingError(
            f"lanes is {wanted!r}", allowed=f"from 1 to {MOST_LANES}", next_command=f"./invoke test --lanes {LANES}"
        )
    return int(wanted)


def find_pieces(suites: Iterable[str], tests: Path = REPOSITORY / "tests") -> dict[str, tuple[str, ...]]:
    """What may run beside each other, by name, as pytest's arguments: of the service suite each folder and loose file.

    Processes of their own have a yard, a runtime or an MLflow of their own, which end with them.
    """
    found = {}
    for suite in suites:
        if suite != "service":
            found[suite] = suite_arguments(suite)
            continue
        for path in sorted((tests / suite).iterdir()):
            if path.match("test_*.py") or any(path.rglob("test_*.py")):
                found[f"{suite}/{path.stem}"] = (f"tests/{suite}/{path.name}",)
    return found


def longest_first(names: Iterable[str]) -> list[str]:
    """The order that leaves no lane alone at the end: those that are known to be long, then the others."""
    rank = {name: at for at, name in enumerate(LONGEST)}
    return sorted(names, key=lambda name: rank.get(name, len(rank)))


def lane_command(where: Sequence[str]) -> list[object]:
    """How pytest is called beside others: a line a test for the log, and no cache that two would write."""
    return [sys.executable, "-m", "pytest", "-v", "--show-capture=stdout", "-p", "no:cacheprovider", *where]


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
    """How pytest is called for a suite that runs by itself."""
    return [sys.executable, "-m", "pytest", "-q", *suite_arguments(suite), *(["-k", select] if select else [])]


def suite_arguments(suite: str) -> tuple[str, ...]:
    """Where a suite is; `smoke` are the service tests with that marker."""
    return ("tests/service", "-m", "smoke") if suite == "smoke" else (f"tests/{suite}",)


def test_environment(shell: Mapping[str, str]) -> dict[str, str]:
    """The shell's variables without those of a yard that is in use; the cache of programs stays."""
    return {
        name: value for name, value in shell.items() if name == "MODELYARD_CACHE_DIR" or not name.startswith(LEFT_OUT)
    }


def second_python() -> dict[str, Sequence[object]]:
    """The step that runs unit and smoke tests on another Python, in an environment of its own beside .venv."""
    found = find_pythons()
    second = decide_second_python(sys.version_info[:2], found)
    if second is None:
        say("second Python: this machine has no other that fits (3.11 to 3.13)")
        return {}
    name = ".".join(map(str, second))
    told = {"MODELYARD_PYTHON": found[second], "MODELYARD_VENV": REPOSITORY / f".venv-{name}"}
    command = ["env", *(f"{key}={value}" for key, value in told.items()), REPOSITORY / "invoke"]
    return {SECOND: [*command, "test", "--only", "unit,smoke", "--lanes", "1"]}


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
