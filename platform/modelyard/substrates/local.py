"""Substrate `local`: services are processes under a supervisor on this machine."""

from __future__ import annotations

from modelyard.connections import Connections
from modelyard.services.catalog import CATALOG
from modelyard.services.service import Service
from modelyard.settings import Settings
from modelyard.yard.kubeconfig import write_kubeconfig
from modelyard.yard.tls import write_certificates

NAME = "local"
SERVICES: tuple[Service, ...] = CATALOG


def write_access(conn: Connections, settings: Settings, *, fresh_certificate: bool) -> None:
    """Write what a client of the Kubernetes API needs: the CA with its leaf, and the kubeconfig.

    The leaf is left alone while the API that shows it keeps running.
    """
    if fresh_certificate or not (conn.layout.tls / "server.pem").exists():
        write_certificates(conn.layout.tls, conn.name)
    write_kubeconfig(conn, settings.namespace)
