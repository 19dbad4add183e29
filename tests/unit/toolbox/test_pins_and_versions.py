import re

import pytest

from modelyard.errors import ProgramMissing
from modelyard.toolbox import PINS, Toolbox, is_new_enough, load_pins, parse_version
from modelyard.toolbox.debian import DEFAULT_MIRROR, find_mirror, relocate


def test_every_checksum_is_a_sha256_with_a_source_and_its_version_in_the_file_name():
    import tomllib

    for name, pin in tomllib.loads(PINS.read_text())["program"].items():
        for release in pin.get("release", ()):
            assert release["source"]
            for platform, held in release["files"].items():
                assert re.fullmatch(r"[0-9a-f]{64}", held["sha256"]), (name, platform)
                assert release["version"] in release["base"] + held["file"]
                assert platform in held["file"].replace("_", "-")


def test_every_publishers_release_has_all_four_platforms_with_a_sum_of_their_own():
    files = [
        file for pin in load_pins().values() if not pin.inside for one in pin.releases for file in one.files.items()
    ]
    assert {platform for platform, _ in files} == {"linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"}
    assert len(files) == 20
    assert len({file.sha256 for _, file in files}) == len({file.name for _, file in files}) == 20


def test_every_program_can_come_from_somewhere():
    for pin in load_pins().values():
        assert pin.executables
        assert pin.wheel or pin.version


@pytest.mark.parametrize(
    ("told", "version"),
    [
        (
            "prometheus, version 3.5.3+ds1 (branch: debian/sid, revision: 3.5.3+ds1-6)\n  go version: go1.27.1",
            (3, 5, 3),
        ),
        ("alertmanager, version 0.33.1 (branch: debian/sid)", (0, 33, 1)),
        ("prometheus-3.5.3+ds1-6", (3, 5, 3)),
        ("no number", ()),
    ],
)
def test_a_version_is_the_first_dotted_number(told, version):
    assert parse_version(told) == version


def test_debian_bookworms_prometheus_is_too_old_and_sids_is_not():
    minimum = load_pins()["prometheus"].minimum
    assert not is_new_enough(parse_version("2.42.0+ds-5"), minimum)
    assert is_new_enough(parse_version("3.5.3+ds1-6"), minimum)


def test_a_version_that_cannot_be_read_is_too_old():
    assert not is_new_enough((), "3.0")
    assert is_new_enough((), "")


@pytest.mark.parametrize(
    "source",
    [
        "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\n",
        "deb http://mirror.example/debian bookworm main\n",
        "# deb http://old.example/debian x\ndeb [signed-by=/k.gpg arch=amd64] http://mirror.example/debian/ b main",
        "deb http://security.debian.org/debian-security b main\ndeb http://mirror.example/debian b main",
    ],
)
def test_the_machines_own_mirror_is_used(source):
    assert find_mirror([source]) == "http://mirror.example/debian"


def test_without_a_source_debians_own_mirror_is_used():
    assert find_mirror(["", "deb cdrom:[Debian]/ bookworm main"]) == DEFAULT_MIRROR


def test_a_built_in_folder_becomes_relative_and_keeps_its_length(tmp_path):
    program = tmp_path / "program"
    program.write_bytes(b"\0/usr/share/prometheus/alertmanager\0/usr/share/prometheus/alertmanager/ui/\0")
    relocate(program, "/usr/share/prometheus/alertmanager")
    assert program.read_bytes() == (b"\0usr/share/prometheus/alertmanager/\0usr/share/prometheus/alertmanager//ui/\0")


def test_programs_of_wheels_come_from_the_environment(tmp_path):
    box = Toolbox(tmp_path, path="")
    for name in ("rclone", "kubectl", "envoy"):
        assert box.find(name).is_file()


def cached(cache, folder):
    program = cache / "programs" / folder / "usr" / "bin" / "prometheus"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    return program


def test_the_newest_copy_of_the_cache_is_taken(tmp_path):
    cached(tmp_path, "prometheus-3.5.3+ds1-6")
    newest = cached(tmp_path, "prometheus-3.13.2+ds1-1")
    cached(tmp_path, "prometheus-2.53.0-1")
    assert Toolbox(tmp_path, path="").find("prometheus") == newest


def test_a_copy_that_is_only_unpacked_is_told_where_its_assets_are(tmp_path):
    program = cached(tmp_path, "prometheus-3.5.3+ds1-6")
    box = Toolbox(tmp_path, path="")
    root = program.parents[2]
    assert box.root("prometheus") == root
    assert box.arguments("prometheus") == (f"--web.local-assets={root / 'usr/share/prometheus/web'}",)


def test_grafana_cannot_be_fetched_and_says_what_would_do(tmp_path):
    box = Toolbox(tmp_path, path="")
    assert box.look("grafana") is None
    with pytest.raises(ProgramMissing, match=r"grafana on PATH, 11\.0 or newer"):
        box.find("grafana")
