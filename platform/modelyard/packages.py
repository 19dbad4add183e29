"""What `./invoke` needs of the package registry before there is an environment: why it does not answer, and uv.

It is run as a file by any Python from 3.11 on, and imports nothing but the standard library:
`python -I packages.py why` says in one line what is wrong with the registry, `python -I packages.py uv FOLDER` puts uv
into a folder where there is neither uv nor pip.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import os
import platform
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

PYPI = "https://pypi.org/simple"
DEADLINE_S = 15.0
LINK = re.compile(r'<a\b[^>]*\bhref="([^"]+)"', re.I)
WHEEL = re.compile(r"uv-(\d+(?:\.\d+)*)-py3-none-([\w.]+)\.whl")


class Wheel(NamedTuple):
    """A wheel of an index: its version, its address, and its sha256, or "" where the index tells none."""

    version: tuple[int, ...]
    address: str
    sha256: str


def index_of(environ: Mapping[str, str]) -> str:
    """Address of the package index, from the variables of uv and pip."""
    named = (environ.get(name) for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"))
    return next((address for address in named if address), PYPI).rstrip("/")


def choose_wheel(page: str, base: str, *, system: str, machine: str) -> Wheel | None:
    """The newest wheel of uv for a machine in a page of the Simple Repository API (PEP 503).

    Args:
        page: HTML of the index.
        base: address of the page; links may be relative to it.
        system: as `platform.system()` says.
        machine: as `platform.machine()` says.
    """
    kind = "manylinux" if system == "Linux" else "macosx"
    ends = {"amd64": "x86_64", "arm64": "aarch64" if system == "Linux" else "arm64"}.get(machine, machine)
    found = []
    for link in LINK.findall(page):
        address, _, fragment = urllib.parse.urljoin(base, html.unescape(link)).partition("#")
        name = WHEEL.fullmatch(urllib.parse.unquote(address.rpartition("/")[2]))
        if name and any(tag.startswith(kind) and tag.endswith(f"_{ends}") for tag in name[2].split(".")):
            version = tuple(int(part) for part in name[1].split("."))
            found.append(Wheel(version, address, fragment.removeprefix("sha256=") if "sha256=" in fragment else ""))
    return max(found, default=None)


def fetch(address: str) -> bytes:
    """The bytes at an address, through the proxies of the environment.

    Raises:
        OSError: it does not answer, or refuses.
    """
    parts = urllib.parse.urlsplit(address)
    login, _, host = parts.netloc.rpartition("@")  # urllib takes a name and a password for a part of the host
    headers = {"Accept": "text/html, */*"}
    if login:
        headers["Authorization"] = "Basic " + base64.b64encode(urllib.parse.unquote(login).encode()).decode()
    plain = parts._replace(netloc=host).geturl()
    asked = urllib.request.Request(plain, headers=headers)  # noqa: S310 - index of the person
    with urllib.request.urlopen(asked, timeout=DEADLINE_S) as answer:  # noqa: S310
        return answer.read()


def fetch_uv(index: str, folder: Path) -> None:
    """Put the program uv of an index into a folder, whole or not at all.

    Raises:
        OSError: the index does not answer.
        LookupError: it has no uv for this machine.
        ValueError: what came is not what the index says.
    """
    base = f"{index}/uv/"
    page = fetch(base).decode("utf-8", "replace")
    wheel = choose_wheel(page, base, system=platform.system(), machine=platform.machine())
    if wheel is None:
        raise LookupError(f"{base} has no wheel of uv for {platform.system()} on {platform.machine()}")
    content = fetch(wheel.address)
    if wheel.sha256 and hashlib.sha256(content).hexdigest() != wheel.sha256:
        raise ValueError(f"{wheel.address} is not the file that the index names (its sha256 differs)")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        [name] = [held for held in archive.namelist() if held.endswith(".data/scripts/uv")]
        part = folder / f".uv.{os.getpid()}.part"
        part.write_bytes(archive.read(name))
    part.chmod(0o755)
    part.replace(folder / "uv")


def why_not(index: str, environ: Mapping[str, str]) -> str:
    """One line about an index that does not do what it should; says so, too, when it answers."""
    through = next((environ[name] for name in ("HTTPS_PROXY", "https_proxy") if environ.get(name)), "")
    told = f" (through the proxy {hide_password(through)})" if through else ""
    place = hide_password(index)
    try:
        fetch(f"{index}/pip/")
    except urllib.error.HTTPError as error:
        return f"the package registry {place} answers {error.code} {error.reason}{told}"
    except OSError as error:
        return f"the package registry {place} does not answer{told}: {getattr(error, 'reason', error)}"
    return f"the package registry {place} answers{told}"


def hide_password(address: str) -> str:
    """An address without the name and the password that it may hold."""
    return re.sub(r"//[^/@]*@", "//", address)


def main(argv: list[str]) -> int:
    """Do what the first word says; see the module's docstring."""
    index = index_of(os.environ)
    if argv[:1] == ["why"]:
        print(why_not(index, os.environ))
        return 0
    try:
        fetch_uv(index, Path(argv[1]))
    except (OSError, LookupError, ValueError) as error:
        print(f"uv cannot be had: {getattr(error, 'reason', error)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
