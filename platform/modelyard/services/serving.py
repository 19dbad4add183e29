"""The serving control plane: the Kubernetes API for InferenceServices and the controller behind it."""

from __future__ import annotations

import functools
import ssl
import sys

from modelyard.connections import Connections
from modelyard.services.probes import get_json
from modelyard.services.service import Context, Process, Service

PATH = "/apis/serving.kserve.io/v1beta1/inferenceservices"


def process(context: Context) -> Process:
    """Its certificate and its token lie in the yard's folder."""
    return Process(argv=(sys.executable, "-m", "modelyard.serving"), folders=(context.conn.layout.config / "targets",))


def probe(conn: Connections) -> None:
    """Lists the InferenceServices with the kubeconfig's token and CA."""
    list_inferenceservices(conn)


def list_inferenceservices(conn: Connections) -> list[dict]:
    """Every InferenceService, as the Kubernetes API gives it; light, for the command line.

    Raises:
        NotReady, httpx.HTTPError: there is no answer.
    """
    return list_objects(conn, PATH)


def list_objects(conn: Connections, path: str) -> list[dict]:
    """Every object at a path of the Kubernetes API, such as `/api/v1/events`.

    Raises:
        NotReady, httpx.HTTPError: there is no answer.
    """
    return get_json(
        conn.address("kubernetes") + path,
        verify=_trust((conn.layout.tls / "ca.pem").read_text("ascii")),
        headers={"Authorization": f"Bearer {conn.credentials.kubernetes_token}"},
    )["items"]


@functools.lru_cache(maxsize=8)
def _trust(authority: str) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority)


SERVICE = Service(
    name="serving",
    summary="Kubernetes API and controller of InferenceServices",
    ports=("kubernetes",),
    process=process,
    probe=probe,
    needs=("objectstore",),
    page="",
)
