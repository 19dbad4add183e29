"""The API's process stays small: it shares a laptop with everything else."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {"kserve", "kubernetes", "pandas", "numpy", "mlflow", "yaml", "httpx", "sklearn"}


def test_the_api_imports_nothing_heavy() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import sys, modelyard.serving.api; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert HEAVY & set(told.stdout.split()) == set()
