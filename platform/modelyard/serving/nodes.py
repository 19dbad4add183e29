"""The one node of this API: this machine, what it has, and what the yard's pods ask of it; read-only."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import time
from functools import cache
from typing import Any

import psutil

from modelyard.serving.store import timestamp

Object = dict[str, Any]

GPU = "nvidia.com/gpu"
MOST_PODS = 110


@cache
def node_name() -> str:
    """This machine's name as Kubernetes allows it: lower case letters, digits, `-` and `.`."""
    plain = re.sub(r"[^a-z0-9.-]+", "-", platform.node().lower()).strip("-.")
    return re.sub(r"[.-]*\.[.-]*", ".", plain)[:253].strip("-.") or "localhost"


def node_object(*, gpus: int, now: float) -> Object:
    """The node, ready.

    Args:
        gpus: devices that replicas may be given.
        now: seconds since 1970.
    """
    memory = f"{psutil.virtual_memory().total // 1024}Ki"
    capacity = {"cpu": str(os.cpu_count() or 1), "memory": memory, "pods": str(MOST_PODS)}
    if gpus:
        capacity[GPU] = str(gpus)
    booted, system = timestamp(psutil.boot_time()), platform.system().lower()
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    condition = {"type": "Ready", "status": "True", "lastHeartbeatTime": timestamp(now), "lastTransitionTime": booted}
    told = {"reason": "KubeletReady", "message": "this machine answers"}
    labels = {"kubernetes.io/hostname": node_name(), "kubernetes.io/os": system, "kubernetes.io/arch": machine}
    addresses = [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": node_name()}]
    info = {"architecture": machine, "operatingSystem": system, "kernelVersion": platform.release()}
    info |= {"osImage": _distribution(), "containerRuntimeVersion": "process://1", "kubeletVersion": "v1.34.1"}
    info |= dict.fromkeys(("machineID", "systemUUID", "bootID", "kubeProxyVersion"), "")
    meta = {"name": node_name(), "uid": f"node-{node_name()}", "creationTimestamp": booted, "resourceVersion": "1"}
    status: Object = {"capacity": capacity, "allocatable": capacity, "conditions": [condition | told]}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {**meta, "labels": labels, "annotations": {}},
        "spec": {},
        "status": {**status, "addresses": addresses, "nodeInfo": info},
    }


def node(now: float | None = None) -> Object:
    """The node as it is now."""
    return node_object(gpus=count_gpus(), now=time.time() if now is None else now)


@cache
def count_gpus() -> int:
    """NVIDIA devices that `nvidia-smi` lists; 0 where there is no such program."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return 0
    try:
        told = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith("GPU ") for line in told.stdout.splitlines())


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except (OSError, AttributeError):
        return platform.system()
