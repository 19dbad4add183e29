"""A model server in a new interpreter: `python fresh_server.py SPEC FOLDER`, the same code without the warm parent.

SPEC is a ReplicaSpec in JSON, FOLDER gets its record and model cache. The first line of output is its port.
"""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path


def main() -> int:
    """Bind, tell the port, then import, load and serve."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)

    from modelyard.serving.replicas.records import ReplicaSpec
    from modelyard.serving.replicas.replica import serve_replica

    folder = Path(sys.argv[2])
    (folder / "records").mkdir(parents=True, exist_ok=True)
    spec = ReplicaSpec(**json.loads(sys.argv[1]))
    return serve_replica(spec, listening, records=folder / "records", cache=folder / "cache")


if __name__ == "__main__":
    raise SystemExit(main())
