"""The yard's kubeconfig: a file of its own, with CA and token in it; the person's own is never touched."""

from __future__ import annotations

import base64

from modelyard.connections import Connections
from modelyard.yard.record import write_private


def write_kubeconfig(conn: Connections, namespace: str) -> None:
    """Write a kubeconfig of mode 0600 whose only context is modelyard-NAME."""
    import yaml

    name = f"modelyard-{conn.name}"
    authority = base64.b64encode((conn.layout.tls / "ca.pem").read_bytes()).decode()
    held = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": name,
                "cluster": {"server": conn.address("kubernetes"), "certificate-authority-data": authority},
            }
        ],
        "users": [{"name": name, "user": {"token": conn.credentials.kubernetes_token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": namespace}}],
        "current-context": name,
    }
    write_private(conn.kubeconfig, yaml.safe_dump(held, sort_keys=False))
