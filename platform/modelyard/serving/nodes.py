"""The one node of this API: this machine, what it has, and what the yard's pods ask of it; read-only."""

from __future__ import annotations

import os
import platform
import re
from functools import cache
from typing import Any

import psutil

from modelyard.serving.store import AlreadyExists, Store, timestamp

Object = dict[str, Any]

GPU = "nvidia.com/gpu"
MOST_PODS = 110


@cache
def node_name() -> str:
    """This machine's name as Kubernetes allows it: lower case letters, digits, `-` and `.`."""
    plain = re.sub(r"[^a-z0-9.-]+", "-", platform.node().lower()).strip("-.")
    return re.sub(r"[.-]*\.[.-]*", ".", plain)[:253].strip("-.") or "localhost"


def node_object(*, gpus: int) -> Object:
    """The node, ready since the machine was booted; `gpus` are devices that replicas may be given."""
    memory = f"{psutil.virtual_memory().total // 1024}Ki"
    capacity = {"cpu": str(os.cpu_count() or 1), "memory": memory, "pods": str(MOST_PODS)}
    if gpus:
        capacity[GPU] = str(gpus)
    booted, system = timestamp(psutil.boot_time()), platform.system().lower()
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    condition = {"type": "Ready", "status": "True", "lastHeartbeatTime": booted, "lastTransitionTime": booted}
    told = {"reason": "KubeletReady", "message": "this machine answers"}
    labels = {"kubernetes.io/hostname": node_name(), "kubernetes.io/os": system, "kubernetes.io/arch": machine}
    addresses = [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": node_name()}]
    info = {"architecture": machine, "operatingSystem": system, "kernelVersion": platform.release()}
    info |= {"osImage": _distribution(), "containerRuntimeVersion": "process://1", "kubeletVersion": "v1.34.1"}
    info |= dict.fromkeys(("machineID", "systemUUID", "bootID", "kubeProxyVersion"), "")
    status: Object = {"capacity": capacity, "allocatable": capacity, "conditions": [condition | told]}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node_name(), "labels": labels},
        "spec": {},
        "status": {**status, "addresses": addresses, "nodeInfo": info},
    }


def keep_node(store: Store, *, gpus: int = 0) -> None:
    """Make the Store's one node this machine with so many devices; nothing is written where it is that already."""
    wanted = node_object(gpus=gpus)
    for node in store.list("nodes")[0]:
        if node["metadata"]["name"] != wanted["metadata"]["name"]:
            store.delete("nodes", "", node["metadata"]["name"])
    try:
        store.create("nodes", wanted)
    except AlreadyExists:
        store.replace("nodes", wanted)
        store.update_status("nodes", "", wanted["metadata"]["name"], wanted["status"])


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except (OSError, AttributeError):
        return platform.system()
