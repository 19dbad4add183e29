"""The `invoke` script: what it refuses, and that it is quick when nothing has changed."""

import os
import shutil
import statistics
import subprocess
import sys
import time

import pytest

from modelyard.connections import REPOSITORY

WORKS = "Python 3.11, 3.12 or 3.13"


def run(tmp_path, *programs, **variables):
    """The script with only these stub programs, and the system's small ones, on PATH."""
    stubs = tmp_path / "a bin"
    stubs.mkdir(exist_ok=True)
    for name, body in programs:
        (stubs / name).write_text(f"#!/bin/sh\n{body}\n")
        (stubs / name).chmod(0o755)
    for name in ("sh", "cat", "cksum", "dirname", "grep", "rm", "sleep", "uname"):
        if not (stubs / name).exists():
            (stubs / name).symlink_to(shutil.which(name))
    environment = {"PATH": str(stubs), "HOME": str(tmp_path), "MODELYARD_VENV": str(tmp_path / "a venv"), **variables}
    return subprocess.run(
        [REPOSITORY / "invoke", "--list"], env=environment, capture_output=True, text=True, check=False
    )


OLD = ("python3", '[ "$2" = "import sys; print(sys.version.split()[0])" ] && echo 3.9.2 || exit 1')


def test_an_old_python_is_refused_in_one_line_that_says_what_works(tmp_path):
    done = run(tmp_path, OLD)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "no Python 3.11, 3.12 or 3.13 is on PATH (python3 is 3.9.2)" in line
    assert WORKS in line


def test_a_python_that_was_asked_for_and_does_not_fit_is_refused(tmp_path):
    done = run(tmp_path, OLD, MODELYARD_PYTHON="python3")
    assert done.returncode == 2
    assert "MODELYARD_PYTHON=python3 is 3.9.2" in done.stderr


@pytest.mark.parametrize(
    ("system", "machine"),
    [("Darwin", "x86_64"), ("MINGW64_NT-10.0", "x86_64"), ("Linux", "i686"), ("FreeBSD", "amd64")],
)
def test_a_platform_that_does_not_work_is_refused_in_one_line(tmp_path, system, machine):
    done = run(tmp_path, ("uname", f'[ "$1" = -s ] && echo {system} || echo {machine}'))
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert f"{system} on {machine} is not supported" in line
    assert WORKS in line


def test_a_python_without_venv_is_told_what_to_install(tmp_path):
    told = {"import sys; print(sys.version.split()[0])": "3.12.1", "import sys; print(sys._base_executable)": "python3"}
    cases = "\n".join(f"'{code}') echo {answer} ;;" for code, answer in told.items())
    done = run(tmp_path, ("python3", f'[ "$1" = -m ] && exit 1\ncase "$2" in\n{cases}\nesac'))
    assert done.returncode == 1
    assert "apt install python3-venv" in done.stderr


def test_nothing_is_made_anew_when_nothing_has_changed():
    """Aim: at most 12 times `python -c pass`, with the shell script in front."""
    if not (REPOSITORY / ".venv" / "modelyard-stamp").exists():
        pytest.skip("this environment was not made by ./invoke")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MODELYARD_")}

    def seconds(*argv):
        begun = time.perf_counter()
        done = subprocess.run(argv, cwd="/", env=environment, capture_output=True, text=True, check=True)
        return time.perf_counter() - begun, done

    rounds = [(seconds(REPOSITORY / "invoke", "--list"), seconds(sys.executable, "-c", "pass")) for _ in range(7)]
    done = rounds[0][0][1]
    assert "up" in done.stdout
    assert done.stderr == ""
    assert statistics.median(listed[0] / nothing[0] for listed, nothing in rounds) < 20


def test_the_table_of_contents_imports_nothing_heavy():
    code = (
        "import sys; sys.path.insert(0, '.'); import tasks; "
        "heavy = ('pydantic', 'httpx', 'rich', 'psutil', 'mlflow', 'pandas', 'kubernetes'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
