"""The network: the package registry and the publishers of programs that are not here yet, each asked once."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import time
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from modelyard.doctor.finding import Finding, fine, problem, warning
from modelyard.doctor.proxies import hide_password
from modelyard.doctor.system import System

CONNECT_S, ANSWER_S = 3.0, 5.0
PYPI = "https://pypi.org/simple"
BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where systems keep the certificates that they trust, a school's or company's own among them (Go: crypto/x509)."""


@dataclass(frozen=True)
class Reply:
    """What came of one question.

    Attributes:
        use: what the address is for: `package registry`, or a program's name.
        address: that was asked.
        status: of the answer, None where there was none.
        trouble: why there was none: `name`, `refused`, `silent`, `certificate`, `proxy`, or the system's words.
        date: the answer's Date header.
        at: seconds since 1970 by this machine when it came.
    """

    use: str
    address: str
    status: int | None = None
    trouble: str = ""
    date: str = ""
    at: float = 0.0

    @property
    def host(self) -> str:
        """The host that was asked."""
        try:
            return urlsplit(self.address).hostname or hide_password(self.address)
        except ValueError:
            return hide_password(self.address)

    @property
    def answers(self) -> bool:
        """Whether something can be had there; that one page is not there says nothing of the server."""
        return self.status is not None and self.status < 500 and self.status != 407


def find_registry(environ: Mapping[str, str], files: Iterable[Path]) -> str:
    """The package registry that the bootstrap uses: uv's variables, pip's, pip's files (the last wins), PyPI."""
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        if environ.get(name):
            return re.sub(r"^[\w.-]+=", "", environ[name])  # uv: an index may have a name
    found = PYPI
    for path in files:
        held = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            held.read(path, "utf-8")
        except (configparser.Error, OSError, UnicodeError):
            continue
        found = held.get("global", "index-url", fallback=found)
    return found


def pip_files(environ: Mapping[str, str], home: Path) -> list[Path]:
    """Where pip looks for its configuration, from the weakest on (pip: "Configuration")."""
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    mac = home / "Library" / "Application Support" / "pip" / "pip.conf"
    own = environ.get("PIP_CONFIG_FILE", "")
    named = [Path(own)] if own and own != os.devnull else []
    return [Path("/etc/pip.conf"), mac, home / ".pip" / "pip.conf", config / "pip" / "pip.conf", *named]


def ask_all(addresses: Mapping[str, str]) -> list[Reply]:
    """Ask each address (by its use) through the environment's proxies, all at once."""
    if not addresses:
        return []
    with ThreadPoolExecutor(len(addresses)) as pool:
        return list(pool.map(lambda held: ask(*held), addresses.items()))


def ask(use: str, address: str) -> Reply:
    """Ask one address for its head; nothing is loaded."""
    import httpx

    try:
        with httpx.Client(timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S)) as client:
            answer = client.head(address)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        return Reply(use, address, trouble=classify_trouble(error))
    return Reply(use, address, answer.status_code, date=answer.headers.get("date", ""), at=time.time())


def classify_trouble(error: BaseException) -> str:
    """Why there was no answer, by the words and kinds of an error and what it came from."""
    import socket
    import ssl

    chain: list[BaseException] = []
    held: BaseException | None = error
    while held is not None and held not in chain:
        chain.append(held)
        held = held.__cause__ or held.__context__
    told = " / ".join(str(each) for each in chain)

    def is_any(*kinds: type[BaseException]) -> bool:
        return any(isinstance(each, kinds) for each in chain)

    signs = {
        "certificate": is_any(ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY" in told,
        "bundle": is_any(FileNotFoundError),
        "name": is_any(socket.gaierror),
        "proxy": bool(re.search(r"\b407\b|[Pp]roxy [Aa]uthentication", told)),
        "refused": is_any(ConnectionRefusedError) or "refused" in told,
        "silent": any("Timeout" in type(each).__name__ for each in chain),
    }
    return next((name for name, met in signs.items() if met), str(error) or type(error).__name__)


WORDS = {
    "name": "its name is not known",
    "refused": "it refuses connections",
    "silent": f"no answer within {ANSWER_S:.0f} s",
    "certificate": "its certificate is not trusted here",
    "bundle": "the file of certificates that a variable names is not there",
    "proxy": "the proxy asks for a password",
}


def tell_reply(reply: Reply) -> str:
    """A reply that is no answer, as a person reads it."""
    if reply.status == 407:
        return f"{reply.host}: {WORDS['proxy']}"
    told = f"HTTP {reply.status}" if reply.status is not None else WORDS.get(reply.trouble, reply.trouble)
    return f"{reply.host}: {told}"


def decide_network(
    replies: Iterable[Reply], system: System, *, bundle: str = "", optional: Collection[str] = ()
) -> list[Finding]:
    """What is out of reach, and the remedy by the kind of trouble.

    Args:
        replies: of every address; none where no network is to be used.
        system: this machine.
        bundle: the system's file of trusted certificates.
        optional: uses that a yard does without; their silence is only told.
    """
    held = list(replies)
    failed = [reply for reply in held if not reply.answers]
    answering = ", ".join(dict.fromkeys(reply.host for reply in held if reply.answers))
    if not held:
        return [fine("network", "not asked (MODELYARD_OFFLINE)")]
    if not failed:
        return [fine("network", f"answers: {answering}")]
    told = "; ".join(dict.fromkeys(tell_reply(reply) for reply in failed))
    if answering and all(reply.use in optional for reply in failed):
        return [fine("network", f"answers: {answering}; only what is optional is out of reach ({told})")]
    return [_explain(failed, told, answering, bundle)]


def _explain(failed: list[Reply], told: str, answering: str, bundle: str) -> Finding:
    """By the trouble that has a remedy of its own, else what is out of reach."""
    if any(reply.trouble == "certificate" for reply in failed):
        return _untrusted(failed, bundle)
    if any(reply.trouble == "proxy" or reply.status == 407 for reply in failed):
        return _wants_password(failed[0])
    if all(reply.trouble == "bundle" for reply in failed):
        found = f"Nobody could be asked: {WORDS['bundle']}."
        return warning("network", found, "encrypted connections need one", "unset SSL_CERT_FILE SSL_CERT_DIR")
    uses = ", ".join(reply.use for reply in failed)
    found = f"Out of reach: {told}." if answering else f"There seems to be no network ({told})."
    ask_again = f"curl -sSI {shlex.quote(hide_password(failed[0].address))}"
    return warning("network", found, f"what is not here yet cannot be fetched ({uses})", ask_again)


def _wants_password(reply: Reply) -> Finding:
    return problem(
        "network",
        f"The proxy asks for a password ({reply.host} was asked).",
        "nothing can be downloaded",
        "export HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT HTTP_PROXY=http://USER:PASSWORD@HOST:PORT",
    )


def _untrusted(failed: list[Reply], bundle: str) -> Finding:
    hosts = ", ".join(dict.fromkeys(reply.host for reply in failed if reply.trouble == "certificate"))
    return problem(
        "network",
        f"The certificate of {hosts} is not trusted here.",
        "a proxy that reads encrypted traffic, or a wrong clock, stands behind that; nothing can be downloaded",
        f"export SSL_CERT_FILE={bundle} REQUESTS_CA_BUNDLE={bundle}  # or the certificate that your network gives you"
        if bundle
        else "export SSL_CERT_FILE=/path/to/the/certificate/of/your/network.pem",
    )


def find_bundle(candidates: Iterable[str] = BUNDLES) -> str:
    """The system's file of trusted certificates, or nothing."""
    return next((path for path in candidates if Path(path).exists()), "")
