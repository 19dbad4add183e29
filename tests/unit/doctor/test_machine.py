"""Python, git, disk, memory, limits, clock and Docker: what is said of a machine, from what it told."""

from pathlib import Path

import pytest

from modelyard.doctor.clock import Clock, decide_clock, measure, parse_date
from modelyard.doctor.disk import Room, decide_disk
from modelyard.doctor.docker import Docker, decide_docker
from modelyard.doctor.git import Answer, decide_git
from modelyard.doctor.limits import Limits, decide_limits
from modelyard.doctor.memory import Memory, decide_memory, read_cgroup_memory
from modelyard.doctor.processors import Processors, decide_processors, read_quota
from modelyard.doctor.python import PythonFacts, decide_python
from modelyard.doctor.system import System

LINUX = System(manager="apt-get")
MAC = System(kind="darwin", machine="arm64", manager="brew")
WSL = System(wsl=2)
DAY_S = 86_400.0


def only(findings):
    (finding,) = findings
    return finding


@pytest.mark.parametrize("version", [(3, 10, 14), (3, 14, 0), (2, 7, 18)])
def test_a_python_for_which_there_are_no_packages_is_told_with_another(version):
    finding = only(decide_python(PythonFacts(version, Path("/usr/bin/python3")), LINUX))
    assert finding.state == "problem"
    assert "uv python install 3.12" in finding.next_command


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 4), (3, 13, 9)])
def test_the_pythons_of_the_lock_are_fine(version):
    assert only(decide_python(PythonFacts(version, Path("/x")), LINUX)).state == "ok"


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        ({"missing": ("_lzma", "_sqlite3")}, "without lzma, sqlite3"),
        ({"translated": True}, "translated"),
        ({"bits": 32}, "32 bits"),
    ],
)
def test_a_python_that_is_not_whole_is_a_problem(facts, word):
    finding = only(decide_python(PythonFacts((3, 12, 1), Path("/x"), **facts), MAC))
    assert finding.state == "problem"
    assert word in finding.found


def test_an_environment_of_another_lock_is_only_a_warning():
    assert only(decide_python(PythonFacts((3, 12, 1), Path("/x"), stamp_holds=False), LINUX)).state == "warning"


def test_apple_s_placeholder_of_git_is_told_from_a_git():
    told = "xcode-select: note: No developer tools were found, requesting install."
    assert only(decide_git(Answer(1, told), MAC)).next_command == "xcode-select --install"
    assert only(decide_git(Answer(0, "git version 2.39.5 (Apple Git-154)"), MAC)).state == "ok"


@pytest.mark.parametrize("answer", [Answer(None, "not found"), Answer(0, "git version 2.17.1"), Answer(127, "")])
def test_a_git_that_is_not_there_or_too_old_is_installed_by_the_machine_s_own_manager(answer):
    finding = only(decide_git(answer, LINUX))
    assert finding.state == "problem"
    assert finding.next_command.endswith("apt-get install -y git")


def test_a_machine_without_a_known_package_manager_is_told_what_to_install():
    assert "git" in only(decide_git(Answer(None, "not found"), System())).next_command


def room(free_bytes, *, device=1, inodes=None, use="folder of yards"):
    return Room(use, Path("/somewhere"), device, free_bytes, inodes)


@pytest.mark.parametrize(
    ("free_bytes", "inodes", "state"),
    [
        (0, None, "problem"),
        (99_999_999, None, "problem"),
        (1_999_999_999, 10**6, "warning"),
        (50_000_000_000, 10**6, "ok"),
        (50_000_000_000, 500, "problem"),
    ],
)
def test_room_on_disk(free_bytes, inodes, state):
    assert only(decide_disk([room(free_bytes, inodes=inodes)], LINUX)).state == state


def test_a_full_home_is_told_which_caches_can_go():
    held = Room("folder of yards", LINUX.home / ".local", 1, 0)
    assert "rm -rf ~/.cache/uv" in only(decide_disk([held], LINUX)).next_command
    assert "rm " not in only(decide_disk([room(0)], LINUX)).next_command


def test_two_folders_on_one_full_disk_are_one_finding_of_the_first():
    finding = only(decide_disk([room(0), room(0, use="cache of programs")], LINUX))
    assert "folder of yards" in finding.found


def test_each_full_disk_is_a_finding():
    assert len(decide_disk([room(0), room(0, device=2), room(10**12, device=3)], LINUX)) == 2


@pytest.mark.parametrize(("available", "state"), [(0.8e9, "problem"), (2e9, "warning"), (6e9, "ok")])
def test_memory_that_is_free(available, state):
    assert only(decide_memory(Memory(int(8e9), int(available)), LINUX)).state == state


def test_what_the_yard_holds_already_is_not_missing():
    assert only(decide_memory(Memory(int(8e9), int(1e9), own_bytes=int(2.5e9)), LINUX)).state == "ok"


def test_a_container_s_limit_counts_and_not_the_host_s_memory():
    finding = only(decide_memory(Memory(int(64e9), int(60e9), int(2e9), int(1.5e9)), LINUX))
    assert finding.state == "problem"
    assert "500 MB of this container are free, of 2.0 GB" in finding.found


def test_wsl_is_told_where_its_memory_is_set():
    assert ".wslconfig" in only(decide_memory(Memory(int(2e9), int(1e9)), WSL)).next_command


# Shapes of the files: kernel documentation, cgroup-v2.rst and cgroup-v1/memory.rst
def test_a_limit_of_cgroup_version_2_is_read_and_cached_files_do_not_count(tmp_path):
    group = tmp_path / "docker" / "abc"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("2147483648\n")
    (group / "memory.current").write_text("1000000000\n")
    (group / "memory.stat").write_text("anon 500\nfile 600\ninactive_file 400000000\n")
    assert read_cgroup_memory(tmp_path, "0::/docker/abc\n") == (2_147_483_648, 600_000_000)


def test_inside_of_a_container_the_root_is_the_container_s_group(tmp_path):
    (tmp_path / "memory.max").write_text("2147483648\n")
    (tmp_path / "memory.current").write_text("10\n")
    assert read_cgroup_memory(tmp_path, "0::/\n") == (2_147_483_648, 10)


def test_a_limit_of_cgroup_version_1_is_read(tmp_path):
    group = tmp_path / "memory" / "docker" / "abc"
    group.mkdir(parents=True)
    (group / "memory.limit_in_bytes").write_text("1073741824\n")
    (group / "memory.usage_in_bytes").write_text("900\n")
    (group / "memory.stat").write_text("cache 5\ntotal_inactive_file 100\n")
    assert read_cgroup_memory(tmp_path, "5:memory:/docker/abc\n4:cpu:/x\n") == (1_073_741_824, 800)


def test_no_limit_is_none(tmp_path):
    (tmp_path / "memory.max").write_text("max\n")
    assert read_cgroup_memory(tmp_path, "0::/\n") == (None, None)


@pytest.mark.parametrize(
    ("limits", "states"),
    [
        (Limits((1024, 1_048_576)), ["ok"]),
        (Limits((None, None)), ["ok"]),
        (Limits((256, None)), ["warning"]),
        (Limits((256, 512)), ["problem"]),
        (Limits((4096, 4096), inotify=0, inotify_allowed=128), ["problem"]),
        (Limits((4096, 4096), processes_left=50), ["problem"]),
        (Limits((4096, 4096), processes_left=200, inotify=2), ["warning"]),
        (Limits((256, 512), processes_left=0, inotify=1), ["problem", "problem", "problem"]),
    ],
)
def test_limits(limits, states):
    assert [finding.state for finding in decide_limits(limits, LINUX)] == states


def test_a_mac_s_shell_of_256_open_files_is_told_the_number_that_is_allowed():
    assert only(decide_limits(Limits((256, None)), MAC)).next_command == "ulimit -n 4096"
    assert only(decide_limits(Limits((256, 2048)), MAC)).next_command == "ulimit -n 2048"


@pytest.mark.parametrize(
    ("ahead_s", "state"),
    [((0.4, -0.2), "ok"), ((-59.0,), "ok"), ((180.0,), "warning"), ((-3 * DAY_S,), "problem"), ((0, 0, 9e9), "ok")],
)
def test_the_clock_against_the_servers_that_were_asked(ahead_s, state):
    assert only(decide_clock(Clock(1.79e9, ahead_s), LINUX)).state == state


def test_a_clock_that_is_slow_says_by_how_much_and_how_wsl_sets_it():
    finding = only(decide_clock(Clock(1.79e9, (-7200.0,)), WSL))
    assert "2 hours slow" in finding.found
    assert "hwclock -s" in finding.next_command


def test_without_a_network_a_clock_before_the_checkout_s_own_files_is_wrong():
    assert only(decide_clock(Clock(0.0, latest_s=1.79e9), LINUX)).state == "warning"
    assert only(decide_clock(Clock(1.8e9, latest_s=1.79e9), LINUX)).state == "ok"


def test_a_date_header_is_read_as_the_rfc_shows_it():
    assert parse_date("Sun, 06 Nov 1994 08:49:37 GMT") == 784_111_777  # RFC 9110, 5.6.7; `date -d ... +%s`
    assert parse_date("yesterday") is None
    assert measure([("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_780.0), ("?", 1.0)]) == (3.0,)


@pytest.mark.parametrize(
    ("count", "load", "state"),
    [(2, 3.0, "ok"), (2, 33.0, "warning"), (16, 33.0, "ok"), (1, 0.0, "warning"), (0.5, 0, "warning")],
)
def test_processors(count, load, state):
    assert only(decide_processors(Processors(count, load), LINUX)).state == state


@pytest.mark.parametrize(("text", "quota"), [("150000 100000\n", 1.5), ("max 100000\n", None), ("", None)])
def test_a_container_s_part_of_the_processors(tmp_path, text, quota):
    (tmp_path / "cpu.max").write_text(text)
    assert read_quota(tmp_path) == quota


def test_a_container_s_part_of_the_processors_in_cgroup_version_1(tmp_path):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("50000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert read_quota(tmp_path) == 0.5
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    assert read_quota(tmp_path) is None


INFO = '{"ServerVersion":"28.2.2","MemTotal":8000000000}'
GOOD = Answer(0, "2.40.3")


@pytest.mark.parametrize(
    ("info", "compose", "state", "word"),
    [
        (Answer(None, "not found"), GOOD, "problem", "install"),
        # docker 28.2.2 without a daemon, and actions/actions-runner-controller#2538
        (
            Answer(1, '{"ServerVersion":""}\nCannot connect to the Docker daemon at unix:///var/run/docker.sock.'),
            GOOD,
            "problem",
            "start",
        ),
        (
            Answer(1, "Got permission denied while trying to connect to the Docker daemon socket"),
            GOOD,
            "problem",
            "usermod",
        ),
        (Answer(0, INFO), Answer(125, "unknown flag: --short"), "problem", "compose"),
        (Answer(0, INFO.replace("8000000000", "2000000000")), GOOD, "warning", "docker info"),
        (Answer(0, f"WARNING: No swap limit support\n{INFO}"), GOOD, "ok", ""),
    ],
)
def test_docker(info, compose, state, word):
    finding = only(decide_docker(Docker(True, info, compose), LINUX))
    assert finding.state == state
    assert word in finding.next_command


def test_docker_that_nobody_wants_is_fine():
    assert only(decide_docker(Docker(False, Answer(None), Answer(None)), LINUX)).state == "ok"
