"""Proxies: written as a proxy is, answering, and not in the way to 127.0.0.1."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from modelyard.doctor.finding import Finding, fine, problem, warning
from modelyard.doctor.system import System

DEADLINE_S = 3.0
NAMES = ("http_proxy", "https_proxy", "all_proxy")
SCHEMES = {"http": 80, "https": 443, "socks4": 1080, "socks5": 1080, "socks5h": 1080}


BYPASS = "; ".join(f'export {name}="127.0.0.1,localhost${{{name}:+,${name}}}"' for name in ("NO_PROXY", "no_proxy"))


@dataclass(frozen=True)
class Proxies:
    """The proxies that programs of this shell would use.

    Attributes:
        named: variable (as it is written) to address.
        bypass: what NO_PROXY says, of the lower and the upper case name.
        unanswered: address to the system's words, of those that took no connection.
    """

    named: Mapping[str, str]
    bypass: tuple[str, ...] = ()
    unanswered: Mapping[str, str] | None = None


def gather_proxies(environ: Mapping[str, str] = os.environ) -> Proxies:
    """Read the variables and knock at each proxy once."""
    named = {name: value for name, value in environ.items() if name.lower() in NAMES and value}
    bypass = tuple(environ[name] for name in ("no_proxy", "NO_PROXY") if name in environ)
    unanswered = {}
    for address in set(named.values()):
        door = parse_proxy(address)
        if door and (told := _knock(*door)):
            unanswered[address] = told
    return Proxies(named, bypass, unanswered)


def parse_proxy(address: str) -> tuple[str, int] | None:
    """Host and port of a proxy's address, or None where it is none; one without a scheme is taken as http."""
    if "://" not in address and "/" in address.rstrip("/"):
        return None
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        port = parts.port or SCHEMES.get(parts.scheme, 0)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname and port and parts.scheme in SCHEMES else None


def _knock(host: str, port: int) -> str:
    try:
        socket.create_connection((host, port), timeout=DEADLINE_S).close()
    except TimeoutError:
        return f"no answer within {DEADLINE_S:.0f} s"
    except (OSError, UnicodeError) as error:
        return getattr(error, "strerror", "") or str(error)
    return ""


def hide_password(address: str) -> str:
    """A proxy's address as it may be shown."""
    return re.sub(r"(^|//)[^/@]*@", r"\1...@", address)


def passes_loopback(bypass: str) -> bool:
    """Whether a NO_PROXY keeps both 127.0.0.1 and localhost away from a proxy, for curl and Python alike."""
    held = {word.strip().lstrip(".").split(":")[0] for word in bypass.lower().split(",")}
    return "*" in held or {"127.0.0.1", "localhost"} <= held


def decide_proxies(proxies: Proxies, system: System) -> list[Finding]:
    """A proxy that cannot be one, one that does not answer, one that stands before 127.0.0.1."""
    found: list[Finding] = []
    for name, address in proxies.named.items():
        shown = hide_password(address)
        if parse_proxy(address) is None:
            found.append(
                problem(
                    "proxy",
                    f"{name} is {shown!r}, which is no proxy's address (http://HOST:PORT).",
                    "every download fails",
                    f"unset {name}",
                )
            )
        elif told := (proxies.unanswered or {}).get(address):
            found.append(
                problem(
                    "proxy",
                    f"The proxy of {name}, {shown}, does not answer: {told}.",
                    "every download would go there and fail; without it this network may do",
                    f"unset {name}",
                )
            )
    if proxies.named and not (proxies.bypass and all(passes_loopback(held) for held in proxies.bypass)):
        found.append(
            warning(
                "proxy",
                "A proxy is set, and NO_PROXY does not name 127.0.0.1 and localhost"
                f" (it is {', '.join(map(repr, proxies.bypass)) or 'not set'}).",
                "curl, mlflow and dvc in this shell would ask the proxy for your own yard",
                BYPASS,
            )
        )
    if found:
        return found
    told = ", ".join(f"{name} {hide_password(address)}" for name, address in proxies.named.items())
    return [fine("proxy", told or "none is set")]
