"""The `invoke` script: what it refuses, and that it is quick when nothing has changed."""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from modelyard.connections import REPOSITORY
from modelyard.waiting import wait_until

WORKS = "Python 3.11, 3.12 or 3.13"


SMALL = ("sh", "cat", "cksum", "date", "dirname", "grep", "mkdir", "rm", "sleep", "tail", "uname")
VENV_PYTHON = """#!/bin/sh
case "$*" in *_info*) echo 3.12.1 ;; *why*) echo WHY ;; *) echo "ran $*" ;; esac
"""
UV = f"""
echo "$@" >>"$HOME/uv.log"
if [ "$1" = venv ]; then
    for venv; do :; done
    mkdir -p "$venv/bin" && : >"$venv/bin/activate"
    printf '%s' '{VENV_PYTHON}' >"$venv/bin/python"
    {shutil.which("chmod")} +x "$venv/bin/python"
    exit 0
fi
"""
"""A stand-in for uv: it makes a folder that looks like an environment, and installs nothing."""
PYTHON = (
    "python3.12",
    'case "$2" in *_base_*) echo python3.12 ;; *disk_usage*) echo "${FREE_MB:-90000}" ;; *) echo 3.12.1 ;; esac',
)


def checkout(tmp_path):
    """What the script reads of a checkout, in a folder with a name that is no plain word."""
    place = tmp_path / "Übung von heute" / "modelyard"
    place.mkdir(parents=True, exist_ok=True)
    shutil.copy(REPOSITORY / "invoke", place)
    (place / "requirements.lock").write_text("first==1\nsecond==2\n")
    return place


def begin(tmp_path, *programs, script=REPOSITORY / "invoke", as_user=None, **variables):
    """The script with only these stub programs, and the system's small ones, on PATH; the process."""
    stubs = tmp_path / "a bin"
    stubs.mkdir(exist_ok=True)
    for name, body in programs if as_user is None else ():
        (stubs / name).write_text(f"#!/bin/sh\n{body}\n")
        (stubs / name).chmod(0o755)
    for name in SMALL:
        if not (stubs / name).exists():
            (stubs / name).symlink_to(shutil.which(name))
    environment = {"PATH": str(stubs), "HOME": str(tmp_path), **variables}
    return subprocess.Popen(
        [script, "--list"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **(as_user or {}),
    )


def run(tmp_path, *programs, **variables):
    """As `begin`, to its end: exit code, lines of standard output and of standard error."""
    variables.setdefault("MODELYARD_VENV", str(tmp_path / "a venv"))
    return ended(begin(tmp_path, *programs, **variables))


def ended(process):
    out, err = process.communicate(timeout=60)
    return process.returncode, out.splitlines(), err.splitlines()


OLD = ("python3", '[ "$2" = "import sys; print(sys.version.split()[0])" ] && echo 3.9.2 || exit 1')


def test_an_old_python_is_refused_with_what_works(tmp_path):
    code, _, (refusal, then) = run(tmp_path, OLD)
    assert code == 2
    assert "no Python 3.11, 3.12 or 3.13 is on PATH (python3 is 3.9.2)" in refusal
    assert WORKS in then and "sudo apt install" in then


def test_a_python_that_was_asked_for_and_does_not_fit_is_refused(tmp_path):
    code, _, (refusal, then) = run(tmp_path, OLD, MODELYARD_PYTHON="python3")
    assert code == 2
    assert "MODELYARD_PYTHON=python3 is 3.9.2" in refusal
    assert WORKS in then


@pytest.mark.parametrize(
    ("system", "machine"),
    [("Darwin", "x86_64"), ("MINGW64_NT-10.0", "x86_64"), ("Linux", "i686"), ("FreeBSD", "amd64")],
)
def test_a_platform_that_does_not_work_is_refused(tmp_path, system, machine):
    code, _, (refusal, then) = run(tmp_path, ("uname", f'[ "$1" = -s ] && echo {system} || echo {machine}'))
    assert code == 2
    assert f"{system} on {machine} is not supported" in refusal
    assert WORKS in then


def test_a_python_that_cannot_make_a_venv_at_all_is_told_what_to_install(tmp_path):
    code, _, told = run(tmp_path, ("python3.12", f'[ "$2" = venv ] && exit 1\n{PYTHON[1]}'))
    assert code == 1
    assert "cannot make a venv" in told[-2] and "apt install python3-venv" in told[-1]


def test_a_python_without_what_brings_pip_makes_its_venv_without_pip(tmp_path):
    log = tmp_path / "argv"
    body = f'echo "$@" >>"{log}"\n[ "$2" = venv ] && [ "$3" != --without-pip ] && exit 1\n{PYTHON[1]}'
    run(tmp_path, ("python3.12", body))
    venv = tmp_path / "a venv"
    made = [line for line in log.read_text().splitlines() if line.startswith("-m venv")]
    assert made == [f"-m venv {venv}", f"-m venv --without-pip {venv}"]


def test_the_first_call_says_what_it_does_and_the_second_says_nothing(tmp_path):
    script = checkout(tmp_path) / "invoke"
    code, out, told = ended(begin(tmp_path, PYTHON, ("uv", UV), script=script))
    assert (code, out) == (0, [f"ran -m invoke --search-root {script.parent} --list"])
    assert [line.split(",")[0] for line in told] == [
        "modelyard: making the environment of modelyard",
        "modelyard: installing 2 locked packages: 500 MB to download",
        "modelyard: the environment is ready",
    ]
    assert (
        f"pip install --python {script.parent}/.venv/bin/python --require-hashes" in (tmp_path / "uv.log").read_text()
    )
    assert ended(begin(tmp_path, script=script)) == (0, out, [])


def test_a_registry_that_does_not_answer_is_named_and_the_next_call_goes_on(tmp_path):
    script = checkout(tmp_path) / "invoke"
    broken = UV + "echo 'error: Failed to fetch first' >&2; exit 2"
    code, _, told = ended(begin(tmp_path, PYTHON, ("uv", broken), script=script))
    assert code == 1
    assert told[-3] == "error: Failed to fetch first"
    assert told[-2] == "modelyard: the packages could not be installed: WHY"
    assert "./invoke --list goes on from here" in told[-1] and "PIP_INDEX_URL" in told[-1]
    code, _, told = ended(begin(tmp_path, PYTHON, ("uv", UV), script=script))
    assert code == 0
    assert not any("making" in line for line in told)


def test_two_first_calls_at_once_make_one_environment(tmp_path):
    script = checkout(tmp_path) / "invoke"
    slow = UV + '[ -e "$HOME/go" ] || { : >"$HOME/waiting"; while [ ! -e "$HOME/go" ]; do sleep 0.05; done; }'
    first = begin(tmp_path, PYTHON, ("uv", slow), script=script)
    wait_until((tmp_path / "waiting").exists, what="the first to install", deadline_s=30)
    second = begin(tmp_path, script=script)
    wait_until(lambda: "waiting for it" in second.stderr.readline(), what="the second to say so", deadline_s=30)
    (tmp_path / "go").touch()
    assert [ended(process)[0] for process in (first, second)] == [0, 0]
    assert (tmp_path / "uv.log").read_text().count("--require-hashes") == 1
    assert not (script.parent / ".venv-lock").exists()


def test_a_call_that_was_killed_while_it_made_the_environment_holds_nobody_up(tmp_path):
    script = checkout(tmp_path) / "invoke"
    gone = subprocess.Popen(["true"])
    gone.wait()
    (script.parent / ".venv-lock").mkdir()
    (script.parent / ".venv-lock" / "pid").write_text(f"{gone.pid}\n")
    assert ended(begin(tmp_path, PYTHON, ("uv", UV), script=script))[0] == 0


def test_a_disk_that_is_too_small_is_told_before_the_download(tmp_path):
    code, _, told = run(tmp_path, PYTHON, ("uv", UV), FREE_MB="1200")
    assert code == 1
    assert "only 1200 MB are free" in told[-2] and "MODELYARD_VENV=" in told[-1]
    assert not (tmp_path / "uv.log").exists()


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "a file").touch()
    code, _, told = run(tmp_path, PYTHON, ("uv", UV), MODELYARD_VENV=str(tmp_path / "a file" / "venv"))
    assert code == 1
    assert "cannot be written" in told[-2] and "MODELYARD_VENV=" in told[-1]


def test_a_checkout_that_cannot_be_written_gets_its_environment_in_the_cache():
    """Root may write everywhere: then it is done as the user nobody."""
    nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        script = checkout(home) / "invoke"
        ended(begin(home, PYTHON, ("uv", UV), script="/bin/true"))  # the stubs are written
        script.parent.chmod(0o555)
        if nobody:
            for path in (home, *home.rglob("*")):
                os.chown(path, 65534, 65534, follow_symlinks=False)
        code, _, told = ended(begin(home, PYTHON, ("uv", UV), script=script, as_user=nobody))
        script.parent.chmod(0o755)
        assert (code, len(told)) == (0, 3)
        [venv] = (home / ".cache" / "modelyard").glob("venv-*[0-9]")
        assert (venv / "modelyard-stamp").exists()


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
