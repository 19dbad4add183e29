"""On which file systems a yard does not do. The mount lines are those that people posted from such machines."""

from pathlib import Path

import pytest

from modelyard.doctor.mounts import (
    Mount,
    Place,
    decide_folders,
    find_mount,
    find_sync,
    parse_macos_mounts,
    parse_mountinfo,
)
from modelyard.doctor.system import System, decide_system, parse_wsl

# microsoft/WSL#7152 (shape of mountinfo on WSL 2) with the drive as lamyj/wsl-path-converter#4 shows it in /proc/mounts
WSL_2 = r"""
82 86 0:35 / /mnt/wsl rw,relatime shared:1 - tmpfs none rw,huge=advise
83 86 0:37 / /usr/lib/wsl/drivers ro,nosuid,nodev,noatime - 9p drivers ro,aname=drivers;fmask=222;dmask=222,trans=fd
86 76 8:32 / / rw,relatime - ext4 /dev/sdc rw,discard,errors=remount-ro,data=ordered
99 86 0:60 / /mnt/c rw,dirsync,noatime - 9p C:\134 rw,dirsync,aname=drvfs;path=C:\;uid=1000;gid=1000,mmap,trans=fd
101 86 0:61 / /data\040of\040Ann rw,noatime - virtiofs D: rw
"""
LINUX = r"""
29 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw
60 29 0:50 / /home rw,relatime shared:30 - nfs4 files.school.example:/home rw,vers=4.2,rsize=1048576,hard,proto=tcp
61 29 0:51 / /mnt/share rw,relatime shared:31 - cifs //ann:secret@nas/share rw,vers=3.1.1,username=ann
62 60 0:52 / /home/ann/local rw shared:32 - tmpfs tmpfs rw,size=100k
63 60 0:53 / /home/ann/local rw shared:33 - xfs /dev/sdb1 rw
"""
MACOS = """\
/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
devfs on /dev (devfs, local, nobrowse)
/dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled, nobrowse, protect, root data)
map auto_home on /System/Volumes/Data/home (autofs, automounted, nobrowse)
//ann@nas._smb._tcp.local/Class of 2026 on /Volumes/Class of 2026 (smbfs, nodev, nosuid, mounted by ann)
"""
ON_LINUX = System(home=Path("/home/ann"))
ON_WSL = System(wsl=2, home=Path("/home/ann"))
ON_MAC = System(kind="darwin", machine="arm64", home=Path("/Users/ann"))


def place(use, path, mounts):
    return Place(use, Path(path), find_mount(Path(path), mounts))


def only(findings):
    (finding,) = findings
    return finding


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/", "ext4"), ("/home/ann", "nfs4"), ("/home/ann/local/x", "xfs"), ("/homeless", "ext4")],
)
def test_a_folder_lies_on_the_longest_mount_above_it_and_the_last_of_two(path, kind):
    assert find_mount(Path(path), parse_mountinfo(LINUX)).kind == kind


def test_a_mount_with_spaces_in_its_name_is_read_as_it_is_called():
    assert find_mount(Path("/data of Ann/yards"), parse_mountinfo(WSL_2)).source == "D:"
    assert find_mount(Path("/Volumes/Class of 2026/x"), parse_macos_mounts(MACOS)) == Mount(
        "/Volumes/Class of 2026",
        "smbfs",
        "//ann@nas._smb._tcp.local/Class of 2026",
        frozenset({"nodev", "nosuid", "mounted by ann"}),
    )


def test_a_home_on_a_school_s_file_server_is_told_with_a_place_on_this_machine():
    mounts = parse_mountinfo(LINUX)
    found = decide_folders(
        [
            place("folder of yards", "/home/ann/.local/state/modelyard", mounts),
            place("cache of programs", "/home/ann/.cache/modelyard", mounts),
        ],
        ON_LINUX,
    )
    assert [finding.state for finding in found] == ["warning", "warning"]
    assert "nfs4 from files.school.example:/home" in found[0].found
    assert found[0].next_command == 'export MODELYARD_STATE_DIR="/var/tmp/modelyard-$(id -un)"'


def test_a_share_s_password_is_not_shown():
    finding = only(decide_folders([place("folder of yards", "/mnt/share/yards", parse_mountinfo(LINUX))], ON_LINUX))
    assert "//nas/share" in finding.found
    assert "secret" not in finding.found


def test_a_share_of_a_mac_is_a_network_folder():
    found = decide_folders([place("folder of yards", "/Volumes/Class of 2026/y", parse_macos_mounts(MACOS))], ON_MAC)
    assert "smbfs" in only(found).found


@pytest.mark.parametrize("path", ["/mnt/c/Users/Ann/modelyard", "/data of Ann/modelyard"])
def test_a_checkout_on_a_drive_of_windows_is_slow_and_is_moved_by_a_clone(path):
    finding = only(decide_folders([place("checkout", path, parse_mountinfo(WSL_2))], ON_WSL))
    assert finding.state == "warning"
    assert finding.next_command.startswith(f"git clone '{path}' ~/modelyard && ")


def test_yards_on_a_drive_of_windows_do_not_work():
    finding = only(decide_folders([place("folder of yards", "/mnt/c/yards", parse_mountinfo(WSL_2))], ON_WSL))
    assert finding.state == "problem"
    assert "/mnt/c/yards" in finding.found


def test_the_own_disk_of_wsl_is_fine_and_so_is_a_folder_called_mnt_c_elsewhere():
    assert only(decide_folders([place("folder of yards", "/home/ann", parse_mountinfo(WSL_2))], ON_WSL)).state == "ok"
    assert only(decide_folders([Place("folder of yards", Path("/mnt/c/yards"))], ON_LINUX)).state == "ok"


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/Users/ann/Library/CloudStorage/OneDrive-School/modelyard", "OneDrive"),
        ("/Users/ann/OneDrive - University/work/modelyard", "OneDrive"),
        ("/Users/ann/Library/Mobile Documents/com~apple~CloudDocs/modelyard", "iCloud"),
        ("/Users/ann/Dropbox (Personal)/modelyard", "Dropbox"),
        ("/Users/ann/Library/CloudStorage/GoogleDrive-ann@x.org/My Drive/m", "Google Drive"),
    ],
)
def test_a_synced_folder_is_named_by_whose_it_is(path, service):
    finding = only(decide_folders([Place("folder of yards", Path(path))], ON_MAC))
    assert finding.state == "problem"
    assert service in finding.found


@pytest.mark.parametrize("path", ["/Users/ann/Dropboxes/m", "/Users/ann/Inbox/m", "/Users/ann/onedrive-notes/m"])
def test_a_folder_whose_name_only_resembles_a_synced_one_is_fine(path):
    assert only(decide_folders([Place("folder of yards", Path(path))], ON_MAC)).state == "ok"


def test_a_synced_folder_of_any_name_is_known_by_the_mark_in_it(tmp_path):
    (tmp_path / "work" / "deep").mkdir(parents=True)
    (tmp_path / "work" / ".dropbox").touch()
    found = find_sync(tmp_path / "work" / "deep", home=tmp_path)
    assert found == str(tmp_path / "work")
    finding = only(decide_folders([Place("folder of yards", tmp_path / "work" / "deep", synced=found)], ON_LINUX))
    assert finding.state == "problem"


def test_the_settings_of_a_synchronisation_at_home_do_not_make_home_a_synced_folder(tmp_path):
    (tmp_path / ".dropbox").mkdir()
    assert find_sync(tmp_path, home=tmp_path) == ""


# uname -r of WSL 1 (Windows 11), WSL 2, and two that are neither
@pytest.mark.parametrize(
    ("release", "version"),
    [
        ("4.4.0-22621-Microsoft", 1),
        ("5.15.153.1-microsoft-standard-WSL2", 2),
        ("7.0.13-arch1-1-wsl-microsoft-standard-WSL2", 2),
        ("4.19.84-microsoft-standard", 2),
        ("6.8.0-1021-azure", 0),
        ("24.6.0", 0),
    ],
)
def test_wsl_is_known_by_its_kernel(release, version):
    assert parse_wsl(release) == version


def test_wsl_1_is_told_how_it_becomes_wsl_2():
    finding = only(decide_system(System(wsl=1, distribution="Ubuntu-24.04")))
    assert finding.state == "problem"
    assert finding.next_command == "wsl.exe --set-version Ubuntu-24.04 2"


def test_root_by_sudo_is_told_and_root_of_a_container_is_not():
    assert only(decide_system(System(uid=0, sudo_user="ann"))).state == "warning"
    assert only(decide_system(System(uid=0))).state == "ok"
