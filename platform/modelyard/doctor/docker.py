"""Docker, where it is wanted; this substrate does without."""

from __future__ import annotations

import json
from dataclasses import dataclass

from modelyard.doctor.finding import Finding, fine, problem, tell_bytes, warning
from modelyard.doctor.git import Answer, ask_program
from modelyard.doctor.system import System

COMFORT_BYTES = 6_000_000_000
"""A cluster of one node with KServe and the platform beside it."""


@dataclass(frozen=True)
class Docker:
    """What the docker program said; `wanted`: whether somebody asked for it."""

    wanted: bool
    info: Answer
    compose: Answer


def gather_docker(wanted: bool) -> Docker:
    """Ask the daemon, by the program; it is only asked where it is wanted."""
    if not wanted:
        return Docker(False, Answer(None), Answer(None))
    info = ask_program("docker", "info", "--format", "{{json .}}", deadline_s=8.0)
    return Docker(True, info, ask_program("docker", "compose", "version", "--short"))


def decide_docker(docker: Docker, system: System) -> list[Finding]:
    """Installed, running, allowed, with memory and Compose."""
    why = "containers are started by it"
    told = docker.info.told
    if not docker.wanted:
        return [fine("docker", "not needed (./invoke doctor --docker looks at it)")]
    if docker.info.told == "not found":
        desktop = "brew install --cask docker" if system.kind == "darwin" else system.install("docker.io")
        return [problem("docker", "There is no docker program.", why, desktop)]
    if "permission denied" in told.lower():
        return [
            problem(
                "docker",
                "Docker runs, and you may not use it.",
                why,
                'sudo usermod -aG docker "$(id -un)" && newgrp docker',
            )
        ]
    info = parse_info(told)
    if docker.info.code != 0 or not info.get("ServerVersion"):
        return [problem("docker", f"Docker's daemon does not answer{_because(told)}.", why, _start(system))]
    return _decide_running(docker, info, why, system)


def _decide_running(docker: Docker, info: dict, why: str, system: System) -> list[Finding]:
    memory = int(info.get("MemTotal") or 0)
    if docker.compose.code != 0:
        return [
            problem("docker", "Docker has no Compose (docker compose).", why, system.install("docker-compose-v2")),
        ]
    if memory < COMFORT_BYTES:
        return [
            warning(
                "docker",
                f"Docker has {tell_bytes(memory)} of memory; {tell_bytes(COMFORT_BYTES)} are comfortable.",
                "a cluster with KServe needs them",
                "docker info --format '{{.MemTotal}}'  # Docker Desktop: Settings, Resources, Memory",
            )
        ]
    return [fine("docker", f"Docker {info['ServerVersion']}, {tell_bytes(memory)}, Compose {docker.compose.told}")]


def parse_info(told: str) -> dict:
    """The JSON object in what `docker info` said, which may have lines of warnings beside it."""
    for line in told.splitlines():
        if line.startswith("{"):
            try:
                return dict(json.loads(line))
            except ValueError:
                continue
    return {}


def _because(told: str) -> str:
    said = [line for line in told.splitlines() if line and not line.startswith("{")]
    info = parse_info(told)
    reason = (info.get("ServerErrors") or said or [""])[0]
    return f": {reason[:120].rstrip('.?')}" if reason else ""


def _start(system: System) -> str:
    if system.kind == "darwin":
        return "open -a Docker"
    return "sudo service docker start" if system.wsl else "sudo systemctl start docker"
