"""How a replica's process is made: forked from the warm parent (Linux), or one that waits warm (macOS).

A fork of a process that has loaded Apple's libraries may crash in them, so there a few processes are started ahead;
each has done the heavy imports and waits for what it is to be. What it is told goes over a socket: no secret is in an
argument or a variable that others could read.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from modelyard.serving.replicas.records import ReplicaSpec
from modelyard.serving.replicas.replica import Folders, become_replica

HIGHEST_FD = 4096
"""Above the highest file descriptor that the warm parent ever opens."""
SPARES = 2
"""Processes that wait."""
SINGLE_THREADED = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""Each of these keeps a library from starting a thread that a fork would lose."""


class Launcher(Protocol):
    """How a replica's process is made."""

    def launch(self, spec: ReplicaSpec, listening: socket.socket, storage: Mapping[str, str]) -> int:
        """Start the replica on a bound socket and return its pid."""
        ...

    def close(self) -> None:
        """End what waits for no replica any more; replicas live on."""
        ...


class ForkLauncher:
    """Forks this process (Linux), which therefore does the heavy imports itself."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        warm_up()

    def launch(self, spec: ReplicaSpec, listening: socket.socket, storage: Mapping[str, str]) -> int:
        """Fork; the child keeps nothing of this process open but its own socket."""
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            os.closerange(3, listening.fileno())
            os.closerange(listening.fileno() + 1, HIGHEST_FD)
            become_replica(spec, listening, self._folders, storage)
        return pid

    def close(self) -> None:
        """Nothing waits here."""


@dataclass(frozen=True)
class Spare:
    """A process that waits, and the socket on which it is told what to be."""

    pid: int
    told: socket.socket


class SpawnLauncher:
    """Keeps a few processes warm and makes the oldest of them the next replica."""

    def __init__(self, folders: Folders, *, spares: int) -> None:
        self._folders = folders
        self._spares = spares
        self._waiting = [start_spare() for _ in range(spares)]

    def launch(self, spec: ReplicaSpec, listening: socket.socket, storage: Mapping[str, str]) -> int:
        """Tell a spare what to be; where it is still importing it reads that when it has done."""
        told = {"spec": asdict(spec), "storage": dict(storage), "folders": self._folders.to_json()}
        job = json.dumps(told).encode()
        while True:
            spare = self._waiting.pop(0) if self._waiting else start_spare()
            if hand_over(spare, job, listening):
                break
            os.waitpid(spare.pid, 0)  # it was killed while it waited
        while len(self._waiting) < self._spares:
            self._waiting.append(start_spare())
        return spare.pid

    def close(self) -> None:
        """End the spares."""
        for spare in self._waiting:
            spare.told.close()
            os.kill(spare.pid, signal.SIGKILL)
            os.waitpid(spare.pid, 0)
        self._waiting = []


def start_spare() -> Spare:
    """A process of this module that has its socket as standard input; returns at once."""
    ours, theirs = socket.socketpair()
    with theirs:
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "modelyard.serving.replicas.launchers"],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0)],
        )
    return Spare(pid, ours)


def hand_over(spare: Spare, job: bytes, listening: socket.socket) -> bool:
    """Tell a spare what to be; False where it is no more."""
    with spare.told as told:
        try:
            sent = socket.send_fds(told, [job], [listening.fileno()])
            told.sendall(job[sent:])
        except OSError:
            return False
    return True


def launcher_for(platform: str, folders: Folders, *, spares: int = SPARES) -> ForkLauncher | SpawnLauncher:
    """The launcher of a platform, as `sys.platform` names it, ready to launch."""
    return ForkLauncher(folders) if platform == "linux" else SpawnLauncher(folders, spares=spares)


def warm_up() -> None:
    """Do the heavy imports once for all replicas; nothing is predicted, no thread is left behind."""
    for name, value in SINGLE_THREADED.items():
        os.environ.setdefault(name, value)
    import s3fs
    import uvloop

    import modelyard.serving.replicas.model_server
    from modelyard.serving.predictors import preload

    preload()
    _ = (s3fs, uvloop, modelyard.serving.replicas.model_server)
    gc.collect()
    gc.freeze()


def wait_for_job() -> None:
    """Be a spare: import, wait for a job, become that replica. Ends without a word when the warm parent has gone."""
    # Asked to end it ends when its parent's end of the socket closes: a signal to the group is meant for the parent.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warm_up()
    with socket.socket(fileno=os.dup(0)) as told:
        job, fds, _, _ = socket.recv_fds(told, 65536, 1)
        while part := told.recv(65536):
            job += part
    if not fds:
        return
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    held = json.loads(job)
    folders = Folders.from_json(held["folders"])
    become_replica(ReplicaSpec(**held["spec"]), socket.socket(fileno=fds[0]), folders, held["storage"])


if __name__ == "__main__":
    wait_for_job()
