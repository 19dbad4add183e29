"""The store is killed with -9 while it writes: nothing that was acknowledged is lost."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from modelyard.serving.store import Store

WRITER = """
import sys
from pathlib import Path
from modelyard.serving.store import Store

store = Store(Path(sys.argv[1]))
for number in range(100_000):
    made = store.create("inferenceservices", {"metadata": {"name": f"a{number}", "namespace": "default"}, "spec": {}})
    print(made["metadata"]["name"], made["metadata"]["resourceVersion"], flush=True)
"""


def test_every_acknowledged_object_is_there_after_kill_9(tmp_path: Path) -> None:
    path, acknowledged = tmp_path / "objects.db", {}
    for round_number in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER.replace('f"a{number}"', f'f"a{round_number}-{{number}}"'), str(path)],
            stdout=subprocess.PIPE,
            text=True,
        ) as writer:
            assert writer.stdout is not None
            for _ in range(20):
                name, version = writer.stdout.readline().split()
                acknowledged[name] = version
            writer.send_signal(signal.SIGKILL)
            for line in writer.stdout.read().splitlines():
                if len(parts := line.split()) == 2:
                    acknowledged[parts[0]] = parts[1]
    store = Store(path)
    items, version = store.list("inferenceservices")
    held = {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in items}
    assert acknowledged.items() <= held.items()
    assert version >= max(map(int, held.values()))
    assert len(set(held.values())) == len(held)
    store.close()
