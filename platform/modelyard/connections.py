"""Everything that a substrate ends in: a kubeconfig and a few addresses.

Code outside `yard`, `services`, `substrates` and `serving` knows a yard only by this.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from modelyard.errors import YardNotUp
from modelyard.settings import Settings, load_settings
from modelyard.yard.credentials import Credentials, load_credentials
from modelyard.yard.layout import PORTS, Layout
from modelyard.yard.record import read_record

FOLDER_VARIABLE = "MODELYARD_FOLDER"
MARK_VARIABLE = "MODELYARD_YARD"
REPOSITORY = Path(__file__).resolve().parents[2]
"""The checkout: sample-model/, dashboards/, compose/ and loadtests/ lie here."""


@dataclass(frozen=True)
class Connections:
    """Addresses of a yard's services, as `http://127.0.0.1:PORT` without a trailing slash, and its credentials."""

    layout: Layout
    name: str
    substrate: str
    domain: str
    kubeconfig: Path
    first_port: int
    credentials: Credentials

    def port(self, service: str) -> int:
        """Port of a service in the yard's block."""
        return self.first_port + PORTS[service]

    def address(self, service: str) -> str:
        """Address of a service; the Kubernetes API's is https."""
        scheme = "https" if service == "kubernetes" else "http"
        return f"{scheme}://127.0.0.1:{self.port(service)}"

    @property
    def gateway(self) -> str:
        """Address of the gateway; a request says by its Host header which InferenceService it is for."""
        return self.address("gateway")

    def host(self, inferenceservice: str, namespace: str) -> str:
        """Host name of an InferenceService, without port."""
        return f"{inferenceservice}.{namespace}.{self.domain}"

    @property
    def logger_url(self) -> str:
        """Where an InferenceService's payload logger posts: its random path part stands in for a token."""
        return f"{self.address('monitor')}/events/{self.credentials.monitor_path}"

    def environment(self) -> dict[str, str]:
        """Variables with which kubectl, mlflow, dvc, boto3 and the aws tools find this yard."""
        return {
            "KUBECONFIG": str(self.kubeconfig),
            "MLFLOW_TRACKING_URI": self.address("mlflow"),
            "MLFLOW_S3_ENDPOINT_URL": self.address("objectstore"),
            "AWS_ENDPOINT_URL": self.address("objectstore"),
            "AWS_ACCESS_KEY_ID": self.credentials.s3_key_id,
            "AWS_SECRET_ACCESS_KEY": self.credentials.s3_secret,
            "AWS_DEFAULT_REGION": "us-east-1",
            FOLDER_VARIABLE: str(self.layout.folder),
        }


def connect(folder: Path | None = None, settings: Settings | None = None) -> Connections:
    """The connections of a yard: that of `folder`, else of MODELYARD_FOLDER, else of the setting `name`.

    Raises:
        YardNotUp: there is no yard in that folder.
    """
    settings = settings or load_settings()
    named = os.environ.get(FOLDER_VARIABLE)
    place = folder or (Path(named) if named else settings.state_dir / settings.name)
    record = read_record(place / "yard.json")
    if record is None:
        raise YardNotUp(f"there is no yard in {place}", next_command="./invoke up")
    layout = Layout(place, record.id)
    return Connections(
        layout=layout,
        name=place.name,
        substrate=record.substrate,
        domain=settings.domain,
        kubeconfig=layout.kubeconfig,
        first_port=record.ports,
        credentials=load_credentials(layout.secrets),
    )
