"""On what file system a folder lies: local, a network's, a synced folder of a cloud, or a drive of Windows in WSL."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from modelyard.doctor.finding import Finding, fine, problem, warning
from modelyard.doctor.git import ask_program
from modelyard.doctor.system import System

NETWORK = {
    *("nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afpfs", "webdav", "davfs", "fuse.sshfs", "fuse.davfs2"),
    *("afs", "ceph", "fuse.ceph", "glusterfs", "fuse.glusterfs", "lustre", "gpfs", "beegfs", "ncpfs"),
    *("fuse.rclone", "fuse.s3fs", "fuse.gcsfuse", "fuse.goofys", "macfuse", "osxfuse", "fuse.vmhgfs-fuse", "vboxsf"),
    *("prl_fs", "fuse.prl_fsd"),
}
"""File systems whose other end is another machine or the host of a virtual one (mount(8), vendors' manuals)."""
WINDOWS = {"9p", "drvfs", "v9fs", "plan9", "virtiofs"}
"""As what WSL mounts the drives of Windows, by version and setting (microsoft/WSL)."""
SYNCED = (
    (r"/OneDrive( - [^/]+)?(/|$)|/Library/CloudStorage/OneDrive", "OneDrive"),
    (r"/Dropbox( \([^/]+\))?(/|$)|/Library/CloudStorage/Dropbox", "Dropbox"),
    (r"/Google ?Drive(/|$)|/My Drive(/|$)|/Library/CloudStorage/GoogleDrive", "Google Drive"),
    (r"/Library/Mobile Documents/|/iCloud ?Drive(/|$)", "iCloud Drive"),
    (r"/Library/CloudStorage/Box|/Box( Sync)?(/|$)", "Box"),
    (r"/Nextcloud\d*(/|$)|/ownCloud(/|$)", "Nextcloud"),
    (r"/Syncthing(/|$)", "Syncthing"),
)
"""A part of a path, and whose synchronisation stands behind it."""


SYNC_MARKS = (".dropbox", ".stfolder", ".nextcloudsync.log", ".owncloudsync.log")
"""What synchronisations leave in the folder that they keep."""


@dataclass(frozen=True)
class Mount:
    """One mounted file system."""

    point: str
    kind: str
    source: str = ""
    options: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Place:
    """A folder that the yard uses: what for, its path with links resolved, and its mount where that is known.

    `synced` is a folder on the way to it that has a synchronisation's own mark in it (`.dropbox`), or is empty.
    """

    use: str
    path: Path
    mount: Mount | None = None
    synced: str = ""


def parse_mountinfo(text: str) -> list[Mount]:
    r"""Mounts from /proc/self/mountinfo (proc(5)): space, tab, newline and backslash come as `\040`, `\011`..."""
    found = []
    for line in text.splitlines():
        before, dash, after = line.partition(" - ")
        fields, rest = before.split(" "), after.split(" ")
        if not dash or len(fields) < 6 or len(rest) < 2:
            continue
        options = frozenset(fields[5].split(",")) | frozenset(rest[2].split(",") if len(rest) > 2 else ())
        found.append(Mount(_unescape(fields[4]), rest[0], _unescape(rest[1]), options))
    return found


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda held: chr(int(held[1], 8)), text)


def parse_macos_mounts(text: str) -> list[Mount]:
    """Mounts from the output of macOS's mount(8): `//u@h/share on /Volumes/x (smbfs, nodev, mounted by u)`."""
    lines = re.findall(r"^(.+?) on (/.*) \(([^)]*)\)$", text, re.MULTILINE)
    return [Mount(point, *_kind_and_options(source, inside.split(", "))) for source, point, inside in lines]


def _kind_and_options(source: str, words: list[str]) -> tuple[str, str, frozenset[str]]:
    return words[0], source, frozenset("ro" if word == "read-only" else word for word in words[1:])


def find_mount(path: Path, mounts: Iterable[Mount]) -> Mount | None:
    """The mount that a path lies on: the longest point above it; of several on one point the last, which hides them."""
    above = [held for held in mounts if path.is_relative_to(held.point)]
    return max(reversed(above), key=lambda held: len(Path(held.point).parts), default=None)


def read_mounts(system: System) -> list[Mount]:
    """The mounts of this machine."""
    if system.kind == "darwin":
        return parse_macos_mounts(ask_program("mount").told)
    try:
        return parse_mountinfo(Path("/proc/self/mountinfo").read_text("utf-8", "replace"))
    except OSError:
        return []


def find_sync(path: Path, home: Path) -> str:
    """The folder at or above a path that a synchronisation has marked as its own; empty where none has.

    The person's own folder has settings of the same name in it.
    """
    for folder in (path, *path.parents):
        if folder != home and any((folder / mark).exists() for mark in SYNC_MARKS):
            return str(folder)
    return ""


def gather_places(uses: Iterable[tuple[str, Path]], system: System) -> list[Place]:
    """Each folder with its links resolved, its mount, and a synchronisation's mark above it."""
    mounts = read_mounts(system)
    found = []
    for use, path in uses:
        real = path.resolve()
        found.append(Place(use, real, find_mount(real, mounts), find_sync(real, system.home)))
    return found


def decide_place(place: Place, system: System) -> Finding | None:
    """What is wrong with the file system of one folder, or None."""
    kind = place.mount.kind if place.mount else ""
    if is_windows_drive(place, system):
        return _windows_drive(place, system)
    if kind in NETWORK:
        what = f"a network folder ({kind} from {_without_password(place.mount)})"
        return _elsewhere(place, what, warning, "databases and locks are slow there, and can be damaged when it fails")
    service = next((name for part, name in SYNCED if re.search(part, str(place.path))), "")
    if service or place.synced:
        what = f"a folder that {service or 'a cloud'} keeps in step with other machines"
        return _elsewhere(place, what, problem, "open databases of the yard are copied about, and can be damaged")
    return None


def is_windows_drive(place: Place, system: System) -> bool:
    """Whether a folder lies on a drive of Windows: /mnt/c and its like, wherever WSL mounts them."""
    if not system.wsl:
        return False
    named = re.match(r"/mnt/[a-z](/|$)", str(place.path))
    return bool(named or (place.mount and place.mount.kind in WINDOWS and place.mount.point != "/"))


def _windows_drive(place: Place, system: System) -> Finding:
    where = f"The {place.use} is on a drive of Windows ({place.path})."
    if place.use == "checkout":
        return warning(
            "folders",
            where,
            "everything is many times slower there, and line ends and file modes may change",
            f"git clone '{place.path}' ~/modelyard && cd ~/modelyard && ./invoke doctor",
        )
    return problem(
        "folders",
        where,
        "sockets, locks and private files do not work there",
        f"{variable_of(place.use)}={system.home}/.{place.use.split()[0]} ./invoke doctor",
    )


def _elsewhere(place: Place, what: str, tell: Callable[..., Finding], why: str) -> Finding:
    where = f"The {place.use} is in {what}: {place.path}."
    if place.use == "checkout":
        return warning(
            "folders",
            where,
            "its environment of 2 GB is slow there, and files change under running programs",
            f"git clone '{place.path}' ~/modelyard && cd ~/modelyard && ./invoke doctor",
        )
    if place.use == "cache of programs":
        tell, why = warning, "programs start slowly from there"
    return tell("folders", where, why, f'export {variable_of(place.use)}="/var/tmp/modelyard-$(id -un)"')


def variable_of(use: str) -> str:
    """The variable that moves a folder elsewhere."""
    return {
        "folder of yards": "MODELYARD_STATE_DIR",
        "cache of programs": "MODELYARD_CACHE_DIR",
        "folder for sockets": "XDG_RUNTIME_DIR",
    }.get(use, "TMPDIR")


def _without_password(mount: Mount | None) -> str:
    return re.sub(r"//[^/@]*@", "//", mount.source) if mount else ""


def decide_folders(places: Iterable[Place], system: System) -> list[Finding]:
    """The findings of every folder, or that all are on this machine."""
    held = list(places)
    found = [finding for place in held if (finding := decide_place(place, system))]
    kinds = sorted({place.mount.kind for place in held if place.mount})
    told = f" ({', '.join(kinds)})" if kinds else ""
    return found or [fine("folders", f"on this machine's own disk{told}")]
