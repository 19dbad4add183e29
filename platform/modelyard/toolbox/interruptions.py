"""What can cut a download: in the words of a person, and whether another try may help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import httpx

LONGEST_PAUSE_S = 30.0
CERTIFICATE = "CERTIFICATE_VERIFY_FAILED"


class Interrupted(Exception):
    """A connection that may go better the next time."""

    def __init__(self, told: str, retry_after_s: float | None = None) -> None:
        super().__init__(told)
        self.told = told
        self.retry_after_s = retry_after_s


def decide_pause(failures: int, pauses_s: Sequence[float], retry_after_s: float | None = None) -> float | None:
    """Seconds until the next try; None when it was tried often enough.

    Args:
        failures: in a row, without anything gained between them.
        pauses_s: after the first, the second ... failure.
        retry_after_s: what the server asks for.
    """
    if failures > len(pauses_s):
        return None
    pause = pauses_s[failures - 1]
    return pause if retry_after_s is None else min(LONGEST_PAUSE_S, max(pause, retry_after_s))


def read_retry_after(value: str) -> float | None:
    """Seconds of a Retry-After header; a date is not read, servers of files send numbers."""
    return float(value) if value.isdecimal() else None


REFUSALS = {
    404: "{host} does not have it (404)",
    407: "the proxy wants a login (407): HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT",
    410: "{host} does not have it any more (410)",
    429: "{host} is asked too often from this network (429)",
    **dict.fromkeys((401, 403, 451), "{host} does not allow it ({status}); a proxy may be the one that says so"),
}


def explain_refusal(status: int, content_type: str, host: str) -> str:
    """What an HTTP answer says instead of a file; empty where it is one.

    A WLAN's login page answers 200 with HTML where an archive was asked for.
    """
    if not 200 <= status < 300:
        return REFUSALS.get(status, "{host} answers {status}").format(host=host, status=status)
    if content_type.partition(";")[0].strip().lower() in ("text/html", "application/xhtml+xml"):
        return f"{host} answers with a web page and not with the file: is there a login page of this WLAN?"
    return ""


def host_of(address: str) -> str:
    """Host and port of an address, without a name and password that may stand before them."""
    return urlsplit(address).netloc.rpartition("@")[2]


def is_worth_another_try(error: httpx.HTTPError | httpx.InvalidURL) -> bool:
    """Whether the same request may go through later: not where an address, a proxy or a certificate is wrong."""
    import httpx

    if isinstance(error, httpx.ProxyError | httpx.UnsupportedProtocol | httpx.TooManyRedirects | httpx.InvalidURL):
        return False
    return CERTIFICATE not in str(error)


def explain_interruption(error: httpx.HTTPError | httpx.InvalidURL, address: str) -> str:
    """An error of httpx as a person reads it."""
    import httpx

    host = host_of(address)
    if CERTIFICATE in str(error):
        return (
            f"the certificate of {host} is not trusted: a login page of this WLAN, a wrong clock, or a proxy that reads"
            " along (SSL_CERT_FILE names its certificate)"
        )
    if isinstance(error, httpx.ConnectTimeout):
        return f"{host} does not answer"
    if isinstance(error, httpx.TimeoutException):
        return f"nothing came from {host} for a while"
    if isinstance(error, httpx.ProxyError):
        return f"the proxy says: {error}"
    if isinstance(error, httpx.ReadError | httpx.RemoteProtocolError):
        return "the connection was cut"
    return f"{host}: {error or type(error).__name__}"
