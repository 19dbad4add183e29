"""Whether the network is there: each host is tried once, all at the same time, and known within one deadline."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

CONNECT_DEADLINE_S = 5.0
PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
NAME_UNKNOWN = {socket.EAI_NONAME, socket.EAI_AGAIN, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


def find_door(address: str) -> tuple[str, int, bool]:
    """Host and port that a request to an address is sent to first, and whether that is a proxy of the environment."""
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(address)
    host = parts.hostname or ""
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all") or ""
    if not proxy or proxy_bypass(host):
        return host, parts.port or PORTS.get(parts.scheme, 443), False
    through = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return through.hostname or "", through.port or PORTS.get(through.scheme, 80), True


def explain_no_answer(host: str, port: int, error: OSError | None, *, proxy: bool) -> str:
    """Why a host was not reached, in a few words; `error` is None where it said nothing within the deadline."""
    who = f"the proxy {host}:{port}" if proxy else host
    if error is None or isinstance(error, TimeoutError):
        return f"{who} does not answer within {CONNECT_DEADLINE_S:.0f} s: no network, or it is blocked"
    if isinstance(error, socket.gaierror) and error.errno in NAME_UNKNOWN:
        return f"the name {host} is not known: no network, or no name service"
    if isinstance(error, ConnectionRefusedError):
        return f"{who} refuses connections on port {port}"
    return f"{who} cannot be reached: {error.strerror or error}"


class Reach:
    """Tries hosts in the background, each once; threads that hang in a name service end with the process."""

    def __init__(self, deadline_s: float = CONNECT_DEADLINE_S) -> None:
        self._deadline_s = deadline_s
        self._lock = threading.Lock()
        self._tried: dict[tuple[str, int, bool], tuple[threading.Event, float, list[OSError | None]]] = {}

    def begin(self, addresses: Iterable[str]) -> None:
        """Try the hosts of these addresses; returns at once."""
        for address in addresses:
            door = find_door(address)
            with self._lock:
                if door in self._tried:
                    continue
                self._tried[door] = (threading.Event(), time.monotonic() + self._deadline_s, [])
            threading.Thread(target=self._try, args=(door,), name=f"reach {door[0]}", daemon=True).start()

    def why_not(self, address: str) -> str:
        """Why the host of an address is out of reach, waiting for the rest of the deadline; empty where it answers."""
        self.begin([address])
        door = find_door(address)
        done, end, answer = self._tried[door]
        done.wait(max(0.0, end - time.monotonic()))
        if answer and answer[0] is None:
            return ""
        return explain_no_answer(door[0], door[1], answer[0] if answer else None, proxy=door[2])

    def _try(self, door: tuple[str, int, bool]) -> None:
        done, end, answer = self._tried[door]
        try:
            socket.create_connection(door[:2], timeout=max(0.1, end - time.monotonic())).close()
        except (OSError, UnicodeError) as error:  # a host name may be no name at all
            answer.append(error if isinstance(error, OSError) else OSError(str(error)))
        else:
            answer.append(None)
        done.set()
