"""Benchmarks of a yard, as ratios taken in one run: `python loadtests/benchmarks/run.py [NAME ...] [--json FILE]`.

Everything is measured on 127.0.0.1, in yards of the benchmark's own, and every loop is bounded in count or time. The
exit code says whether every aim was held; on a busy machine they may be missed: the load is written down beside them.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
if str(REPOSITORY) not in sys.path:  # run as a script, the folder of the script is on the path and not the checkout
    sys.path.insert(0, str(REPOSITORY))
sys.path[:] = [place for place in sys.path if Path(place).resolve() != Path(__file__).resolve().parent]

BENCHMARKS = ("command_line", "autoscaler", "kubernetes_api", "memory", "gateway", "activator", "replicas", "up")


def main() -> int:
    """Measure what was asked for, print each figure as it comes, and write all of them."""
    from loadtests.benchmarks.figures import describe, machine, write_json

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all where none is given")
    parser.add_argument("--json", type=Path, default=Path("benchmarks.json"), help="file for every measurement")
    asked = parser.parse_args()
    unknown = set(asked.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}: there are {', '.join(BENCHMARKS)}")
    before = machine()
    print(f"Python {before['python']}, {before['cpus']} processors, load {before['load_1_5_15']}", flush=True)
    figures = []
    for name in asked.names or BENCHMARKS:
        figures.append(import_module(f"loadtests.benchmarks.{name}").measure())
        print(describe(figures[-1]), flush=True)
    write_json(asked.json, figures, before)
    print(f"every measurement: {asked.json}")
    return 0 if all(figure.is_held for figure in figures) else 1


if __name__ == "__main__":
    raise SystemExit(main())
