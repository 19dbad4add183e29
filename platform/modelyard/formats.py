"""Model formats whose framework the environment does not have from the start: what each needs, and its installation.

Each has a dependency group in pyproject.toml and a lock of its own in formats/, made beside requirements.lock and in
agreement with it (`./invoke lock`).
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from modelyard.connections import REPOSITORY
from modelyard.console import say
from modelyard.errors import InstallFailed, NameUnknown, ProgramMissing

LOCKS = REPOSITORY / "formats"
FORMATS = {"xgboost": "xgboost", "lightgbm": "lightgbm", "onnx": "onnxruntime"}
"""Format -> the module that it needs."""
FOR_TESTS = {"format-tests": "skl2onnx"}
"""What only the tests need: they convert a model to ONNX."""
CERTIFICATES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


def add_format(name: str) -> list[str]:
    """Install what a format needs, by its lock; "all" takes every format and what the tests need.

    Returns:
        What was installed; what was there already is not touched.

    Raises:
        NameUnknown: there is no such format. ProgramMissing: neither uv nor pip is there. CommandFailed: it failed.
    """
    known = {**FORMATS, **FOR_TESTS}
    if name not in (*known, "all"):
        raise NameUnknown(
            f"there is no format {name!r} to add",
            allowed=f"{', '.join(FORMATS)} or all; mlflow and sklearn are there from the start",
            next_command="./invoke add-format xgboost",
        )
    wanted = list(known) if name == "all" else [name]
    missing = [group for group in wanted if importlib.util.find_spec(known[group]) is None]
    if missing:
        locks = [part for group in missing for part in ("-r", str(LOCKS / f"{group}.lock"))]
        command = [*installer(), "--quiet", "--require-hashes", *locks]
        done = subprocess.run(command, env=installer_environment(os.environ), check=False)
        if done.returncode:
            raise InstallFailed(f"{', '.join(missing)} could not be installed", next_command=" ".join(command))
        importlib.invalidate_caches()
    return missing


def add(name: str) -> None:
    """`add_format`, and say what came of it; replicas that start from now on find it, nothing has to be restarted."""
    added = add_format(name)
    say(f"added: {', '.join(added)}" if added else f"{name} is there already")


def installer() -> list[str]:
    """The command that installs packages into this environment.

    Raises:
        ProgramMissing: there is none.
    """
    uv = shutil.which("uv", path=f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}")
    if uv:
        return [uv, "pip", "install", "--python", sys.executable, "--compile-bytecode"]
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    base = sys._base_executable  # type: ignore[attr-defined]
    if subprocess.run([base, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0:
        return [base, "-m", "pip", "--python", sys.executable, "install", "--disable-pip-version-check"]
    raise ProgramMissing("neither uv nor pip is there to install with", next_command="python3 -m pip install uv")


def installer_environment(shell: Mapping[str, str]) -> dict[str, str]:
    """The shell's variables, and for uv what pip knows: the system's certificates and a mirror (as ./invoke does)."""
    held = dict(shell)
    if any(Path(bundle).exists() for bundle in CERTIFICATES):
        held.setdefault("UV_NATIVE_TLS", "true")
        held.setdefault("UV_SYSTEM_CERTS", "true")
    if held.get("PIP_INDEX_URL") and not (held.get("UV_DEFAULT_INDEX") or held.get("UV_INDEX_URL")):
        held["UV_DEFAULT_INDEX"] = held["PIP_INDEX_URL"]
    return held


def lock_commands(compile_command: Sequence[str]) -> dict[str, list[str]]:
    """How each format's lock is made from its dependency group, in agreement with requirements.lock.

    Args:
        compile_command: `uv pip compile` with everything but groups and files.
    """
    return {
        group: [
            *compile_command,
            *("--group", group, "--constraint", "requirements.lock", "--output-file", f"formats/{group}.lock"),
        ]
        for group in (*FORMATS, *FOR_TESTS)
    }
