"""Requests that say ready: each one is what a client of the service would send."""

from __future__ import annotations

from typing import Any

PROBE_TIMEOUT_S = 2.0


class NotReady(OSError):
    """The service answered, and not as a ready one does."""


def get_json(url: str, **options: Any) -> Any:
    """The JSON answer of a GET with status 200.

    Raises:
        NotReady: any other status; httpx.HTTPError: no answer.
    """
    return request("GET", url, **options).json()


def request(method: str, url: str, *, verify: Any = False, **options: Any) -> Any:
    """An answer with status 200, past every proxy of the environment.

    `verify` is an SSL context for https. The default loads no list of authorities, which takes 20 ms, for the http
    that most services speak.

    Raises:
        NotReady: any other status; httpx.HTTPError: no answer.
    """
    import httpx

    with httpx.Client(trust_env=False, timeout=PROBE_TIMEOUT_S, verify=verify) as client:
        answer = client.request(method, url, **options)
    if answer.status_code != 200:
        raise NotReady(f"{method} {url} answered {answer.status_code}: {answer.text[:200]}")
    return answer
