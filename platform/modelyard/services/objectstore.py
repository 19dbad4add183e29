"""The object store: `rclone serve s3` over plain folders; a bucket is a folder."""

from __future__ import annotations

from modelyard.connections import Connections
from modelyard.services.probes import request
from modelyard.services.service import Context, Process, Service

BUCKETS = ("mlflow", "dvc")


def process(context: Context) -> Process:
    """Its key goes by environment, as a CSV record in quotes, so that no process list shows it."""
    conn = context.conn
    folder = conn.layout.data("objectstore")
    return Process(
        argv=(
            str(context.toolbox.find("rclone")),
            *("serve", "s3", "--addr", f"127.0.0.1:{conn.port('objectstore')}"),
            *("--config", "/dev/null", "--vfs-cache-mode", "off", "--log-level", "NOTICE"),
            str(folder),
        ),
        env={"RCLONE_AUTH_KEY": f'"{conn.credentials.s3_key_id},{conn.credentials.s3_secret}"'},
        folders=tuple(folder / bucket for bucket in BUCKETS),
    )


def probe(conn: Connections) -> None:
    """Lists a bucket with a signed request."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    url = f"{conn.address('objectstore')}/{BUCKETS[0]}?list-type=2&max-keys=1"
    signed = AWSRequest("GET", url, headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    SigV4Auth(Credentials(conn.credentials.s3_key_id, conn.credentials.s3_secret), "s3", "us-east-1").add_auth(signed)
    request("GET", url, headers=dict(signed.headers.items()))


SERVICE = Service(
    name="objectstore",
    summary="object store, S3 (rclone)",
    ports=("objectstore",),
    process=process,
    programs=("rclone",),
    probe=probe,
    page="",
)
