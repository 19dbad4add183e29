"""Variables of the shell that would mislead: the yard's commands, or the person's own."""

from __future__ import annotations

import difflib
import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from modelyard.doctor.finding import Finding, fine, problem, warning
from modelyard.doctor.system import System

PREFIX = "MODELYARD_"
OUR_OWN = frozenset(
    {
        *("MODELYARD_FOLDER", "MODELYARD_YARD", "MODELYARD_SERVICE", "MODELYARD_RULES"),
        *("MODELYARD_PYTHON", "MODELYARD_VENV", "MODELYARD_BROWSER"),
    }
)
"""Variables that are no settings: marks of the yard's processes, the bootstrap's, and which browser takes pictures."""
ABOUT_PYTHON = {
    "PYTHONHOME": ("problem", "Python takes its own modules from there"),
    "PYTHONPATH": ("warning", "packages from there come before those of the environment"),
    "PYTHONSTARTUP": None,
    "LD_PRELOAD": ("warning", "that library is loaded into every program of the yard"),
    "LD_LIBRARY_PATH": ("warning", "libraries from there come before those of the packages (conda and CUDA set it)"),
    "DYLD_LIBRARY_PATH": ("warning", "libraries from there come before those of the packages"),
}
CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "AWS_CA_BUNDLE", "GIT_SSL_CAINFO")
ELSEWHERE = {
    "MLFLOW_TRACKING_URI": "mlflow in this shell records there and not in the yard",
    "AWS_ENDPOINT_URL": "dvc and aws in this shell ask that store and not the yard's",
    "KUBECONFIG": "kubectl in this shell speaks to that cluster and not to the yard",
}
"""Variables that `./invoke env` sets to the yard's."""


@dataclass(frozen=True)
class Variables:
    """The shell's variables, and what there is to compare them with.

    Attributes:
        environ: the variables.
        settings: names of our settings as variables.
        yard: what `./invoke env` would set, empty where there is no yard.
        absent: paths named by certificate variables, or by TMPDIR, that are not there.
    """

    environ: Mapping[str, str]
    settings: frozenset[str] = frozenset()
    yard: Mapping[str, str] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()


def gather_variables(yard: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> Variables:
    """Read the shell's variables, and look whether the files that some name are there."""
    from modelyard.settings import Settings

    named = {environ[name] for name in (*CERTIFICATES, "TMPDIR", "MODELYARD_FOLDER") if environ.get(name)}
    return Variables(
        dict(environ),
        frozenset(f"MODELYARD_{name.upper()}" for name in Settings.model_fields),
        dict(yard),
        frozenset(path for path in named if not Path(path).exists()),
    )


def decide_variables(held: Variables, system: System) -> list[Finding]:
    """Every variable that misleads; each is mended by `unset`, or by the right value."""
    found = [
        *_misspelt(held),
        *_of_python(held.environ),
        *_absent_files(held),
        *_elsewhere(held),
    ]
    return found or [fine("variables", "none of the shell's variables misleads")]


def _misspelt(held: Variables) -> Iterable[Finding]:
    known = held.settings | OUR_OWN
    for name in sorted(held.environ):
        if not name.startswith(PREFIX) or name in known:
            continue
        words = {setting.removeprefix(PREFIX): setting for setting in held.settings}
        near = [words[word] for word in difflib.get_close_matches(name.removeprefix(PREFIX), words, n=1)]
        told = f"{name} is no setting" + (f"; {near[0]} is one." if near else ".")
        command = f"export {near[0]}={shlex.quote(held.environ[name])}; unset {name}" if near else f"unset {name}"
        yield warning("variables", told, "it has no effect", command)


def _of_python(environ: Mapping[str, str]) -> Iterable[Finding]:
    for name, told in ABOUT_PYTHON.items():
        if told and environ.get(name):
            tell = problem if told[0] == "problem" else warning
            yield tell("variables", f"{name} is {environ[name]!r}.", told[1], f"unset {name}")


def _absent_files(held: Variables) -> Iterable[Finding]:
    for name in (*CERTIFICATES, "TMPDIR", "MODELYARD_FOLDER"):
        path = held.environ.get(name, "")
        if path in held.absent:
            why = {
                "TMPDIR": "programs have no place for temporary files",
                "MODELYARD_FOLDER": "it means a yard that is gone, in place of the one that you name",
            }.get(name, "encrypted connections fail without their certificates")
            yield problem("variables", f"{name} is {path!r}, and there is nothing.", why, f"unset {name}")


def _elsewhere(held: Variables) -> Iterable[Finding]:
    folder = held.environ.get("MODELYARD_FOLDER", "")
    if folder and held.yard and folder not in held.absent and folder != held.yard.get("MODELYARD_FOLDER"):
        why = "programs of this shell mean that yard and not the one that is named"
        yield warning("variables", f"MODELYARD_FOLDER is {folder!r}.", why, "unset MODELYARD_FOLDER")
    for name, why in ELSEWHERE.items():
        value = held.environ.get(name, "")
        if value and held.yard and value != held.yard.get(name):
            yield warning("variables", f"{name} is {value!r}, not this yard's.", why, 'eval "$(./invoke env)"')
