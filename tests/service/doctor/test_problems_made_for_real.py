"""Each problem is made on this machine, the doctor is asked, and what it says to paste is pasted where that may be."""

import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from modelyard.errors import MachineNotFit
from modelyard.waiting import wait_until
from modelyard.yard.layout import PORT_BLOCK
from modelyard.yard.ports import taken_by_others

ROOT = os.getuid() == 0 and sys.platform == "linux"
needs_root = pytest.mark.skipif(not ROOT, reason="needs root on Linux to make this problem")


def few_files(limit):
    """Words before a command that allow it so many open files."""
    return ("sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh")


def free_block():
    """A first port whose block nobody has, below the ports of outgoing connections."""
    return next(
        first for first in range(20_000 + os.getpid() % 300 * 20, 32_000, PORT_BLOCK) if not taken_by_others(first, set)
    )


def test_every_check_speaks_on_a_healthy_machine_and_nothing_is_made(world):
    done = world.call("doctor", "--json")
    held = json.loads(done.stdout)
    problems = [finding for finding in held["findings"] if finding["state"] == "problem"]
    # other tests' yards on this machine are their own affair
    assert [finding for finding in problems if finding["check"] not in ("leftovers", "memory")] == []
    assert done.returncode == (1 if problems else 0)
    assert {finding["check"] for finding in held["findings"]} == {
        *("system", "folders", "write access", "disk", "loopback", "limits", "processors", "variables", "yard"),
        *("python", "git", "memory", "ports", "docker", "proxy", "leftovers", "network", "programs", "clock"),
    }
    assert not world.state.exists(), "the doctor made something"


def test_a_held_port_is_told_with_its_program_and_is_fine_when_that_has_ended(world):
    first = free_block()
    world.set(ports=first)
    code = (
        f"import socket, sys; s = socket.create_server(('127.0.0.1', {first + 2})); print(flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        holder.stdout.readline()
        finding = world.only("ports")
        assert finding.state == "problem"
        assert f"Port {first + 2} (mlflow) is held by" in finding.found
        assert f"(pid {holder.pid}: " in finding.found
        assert finding.next_command == "./invoke up --ports auto"
    finally:
        holder.communicate("\n")
    assert world.only("ports").state == "ok"


def test_a_port_whose_connections_are_only_closing_is_free(world):
    first = free_block()
    world.set(ports=first)
    address = ("127.0.0.1", first)
    with socket.create_server(address) as server, socket.create_connection(address) as client:
        server.accept()[0].close()
        client.recv(1)
    assert world.only("ports").state == "ok"


def test_a_full_disk_is_told_and_up_leaves_it_as_it_is(world, mounted):
    point = mounted("full", "size=4m")
    (point / "filling").write_bytes(b"x" * 3_900_000)
    world.set(state_dir=point)
    finding = world.only("disk")
    assert finding.state == "problem"
    assert f"({point})" in finding.found
    with pytest.raises(MachineNotFit, match="are free for the folder of yards"):
        world.before_up()
    assert [path.name for path in point.iterdir()] == ["filling"]


def test_a_disk_without_room_for_more_files_is_told(world, mounted):
    world.set(state_dir=mounted("crowded", "size=300m,nr_inodes=50"))
    assert "more files fit" in world.only("disk").found


def test_a_read_only_folder_is_told_and_the_pasted_line_mends_it(world, mounted):
    point = mounted("readonly", "size=300m")
    subprocess.run(["mount", "-o", "remount,ro", point], check=True)
    world.set(state_dir=point)
    finding = world.only("write access")
    assert finding.state == "problem"
    assert "Read-only file system" in finding.found
    pasted = subprocess.run(
        ["sh", "-c", f'{finding.next_command}; printf %s "$MODELYARD_STATE_DIR"'],
        capture_output=True,
        text=True,
        check=True,
    )
    world.set(state_dir=pasted.stdout)
    assert world.only("write access").state == "ok"


def test_a_folder_from_which_no_program_may_run_is_told(world, mounted):
    world.set(cache_dir=mounted("noexec", "size=300m,noexec"))
    finding = world.only("write access")
    assert "does not let programs run" in finding.found
    assert "MODELYARD_CACHE_DIR" in finding.next_command


@needs_root
@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_a_folder_that_an_earlier_sudo_made_is_given_back_with_chown(world, mode):
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are nobody else's to look into
        home = Path(folder)
        home.chmod(0o755)
        (home / ".local").mkdir()
        (home / ".local").chmod(mode)
        finding = json.loads(
            world.python(
                as_nobody(
                    "from modelyard.doctor import access, mounts, system; from pathlib import Path",
                    f"trial = access.try_folder('folder of yards', Path({str(home / '.local' / 'state')!r}))",
                    f"here = system.System(uid=os.getuid(), home=Path({folder!r}))",
                    "print(json.dumps(asdict(access.decide_access([trial], here)[0])))",
                )
            )
        )
    assert finding["state"] == "problem"
    assert "belongs to another user (uid 0)" in finding["found"]
    assert finding["next_command"] == f'sudo chown -R "$(id -un)" {home / ".local"}'


@needs_root
def test_a_user_who_has_used_up_inotify_is_told(world):
    finding = json.loads(
        world.python(
            as_nobody(
                "import ctypes; from modelyard.doctor import limits, system",
                "create = ctypes.CDLL(None).inotify_init",
                "while create() >= 0: pass",
                "held = limits.Limits((4096, 4096), inotify=limits.try_inotify(limits.INOTIFY_NEEDED))",
                "print(json.dumps(asdict(limits.decide_limits(held, system.System())[0])))",
            )
        )
    )
    assert finding["state"] == "problem"
    assert "inotify" in finding["next_command"]


@needs_root
def test_a_user_without_any_home_is_told_so_and_examined_all_the_same(world, monkeypatch):
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("MODELYARD_STATE_DIR")
    told = world.python(
        as_nobody(
            "from modelyard.doctor import examination; import modelyard.settings, modelyard.yard.ports",
            "settings, wrong = examination.read_settings()",
            "print(json.dumps([asdict(held) for held in wrong]))",
        )
    )
    (finding,) = json.loads(told)
    assert finding["state"] == "problem"
    assert finding["next_command"].startswith("export HOME=")


@needs_root
def test_a_user_without_any_home_is_still_a_user(world, monkeypatch):
    monkeypatch.delenv("HOME")
    told = world.python(
        as_nobody(
            "from modelyard.doctor import system",
            "home = system.gather_system().home",
            "print(json.dumps(str(home)))",
        )
    )
    assert json.loads(told) == "/nonexistent"


def as_nobody(imports, *lines, uid=61_321):
    """Code that gives root's rights up after it has imported what it needs; the user exists nowhere else."""
    giving_up = f"os.setgroups([]); os.setgid({uid}); os.setuid({uid})"
    return "\n".join(["import json, os; from dataclasses import asdict", imports, giving_up, *lines])


def test_a_shell_with_too_few_open_files_is_told_and_the_pasted_line_mends_it(world):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        finding = world.only("limits")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert finding.state == "warning"
    ask = "import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    pasted = ("sh", "-c", f'ulimit -Sn 256; {finding.next_command}; exec "$@"', "sh")
    assert int(world.python(ask, before=pasted)) > 1024


def test_a_hard_limit_below_the_supervisor_s_need_ends_doctor_and_up_with_the_command(world):
    doctor = world.call("doctor", before=few_files(512))
    assert doctor.returncode == 1
    first, *_, last = doctor.stdout.strip().splitlines()
    assert "to mend before the yard can work" in first
    assert "MEND  limits: A process may have 512 open files at most" in doctor.stdout
    assert last == "Next: paste the line below the first MEND, then ./invoke doctor"
    up = world.call("up", before=few_files(512))
    assert up.returncode == 1
    assert "512 open files" in up.stderr
    assert "next: " in up.stderr
    assert "Traceback" not in up.stderr
    assert not world.state.exists(), "up made something before it asked the doctor"


def test_processes_of_a_yard_that_is_gone_are_told_and_the_pasted_line_ends_them(world):
    gone = str(world.state / "gone")
    mark = {"MODELYARD_YARD": "feedfeedfeedfeed", "MODELYARD_FOLDER": gone, "MODELYARD_SERVICE": "old"}
    stray = subprocess.Popen(["sleep", "600"], env={**os.environ, **mark})

    def finding():
        return next((held for held in world.examine("leftovers") if gone in held.found), None)

    try:
        held = wait_until(finding, what="the stray to be seen", deadline_s=10)
        assert held.state == "problem"
        assert "1 process (old; " in held.found
        assert f"kill {stray.pid};" in held.next_command
        subprocess.run(["sh", "-c", held.next_command.replace("sleep 3", "true")], check=False)
        assert stray.wait(timeout=5) != 0
        assert finding() is None
    finally:
        stray.kill()
        stray.wait()


def test_a_yard_of_a_newer_modelyard_is_told_and_not_touched(world):
    record = world.state / "default" / "yard.json"
    record.parent.mkdir(parents=True)
    record.write_text('{"schema": 99, "id": "0011223344556677", "version": "9.0"}')
    assert "by modelyard 9.0 with schema 99" in world.only("yard").found
    with pytest.raises(MachineNotFit, match="newer than this"):
        world.before_up()
    assert '"schema": 99' in record.read_text()


@pytest.mark.parametrize(("setting", "value"), [("scrape_interval_s", "never"), ("ports", "seven"), ("name", "Ann's")])
def test_a_setting_that_is_not_allowed_is_a_finding_beside_the_others(world, setting, value):
    world.set(**{setting: value})
    wrong, git = world.examine("git")
    assert wrong.next_command == f"unset MODELYARD_{setting.upper()}"
    assert git.state == "ok"


def test_misleading_variables_are_told_by_doctor_and_up(world, monkeypatch):
    world.set(port=7700)
    monkeypatch.setenv("PYTHONPATH", "/tmp/nothing")
    commands = {finding.next_command for finding in world.examine("variables")}
    assert commands == {"export MODELYARD_PORTS=7700; unset MODELYARD_PORT", "unset PYTHONPATH"}
    said = world.before_up()
    assert any("MODELYARD_PORT is no setting; MODELYARD_PORTS is one" in line for line in said)


def test_a_machine_without_git_is_told_how_to_get_it(world, monkeypatch):
    monkeypatch.setenv("PATH", str(world.folder))
    finding = world.only("git")
    assert finding.state == "problem"
    assert "git" in finding.next_command


@pytest.mark.skipif(not ROOT or not shutil.which("unshare"), reason="needs root and a network namespace")
def test_a_machine_whose_loopback_is_down_is_told_and_the_pasted_line_brings_it_up(world):
    ask = (
        "import json; from dataclasses import asdict; from modelyard.doctor import loopback, system;"
        "print(json.dumps(asdict(loopback.decide_loopback(loopback.gather_loopback(), system.gather_system())[0])))"
    )
    alone = ("unshare", "--net")
    finding = json.loads(world.python(ask, before=alone))
    assert finding["state"] == "problem"
    pasted = ("sh", "-c", f'{finding["next_command"].removeprefix("sudo ")}; exec "$@"', "sh")
    assert json.loads(world.python(ask, before=(*alone, *pasted)))["state"] == "ok"
