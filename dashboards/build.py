"""Make rules and dashboards from their lists: `python dashboards/build.py`; `--check` only says what is stale."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
if str(REPOSITORY) not in sys.path:  # run as a script, the folder of the script is on the path and not the checkout
    sys.path.append(str(REPOSITORY))

from dashboards.series import GROUPS, Group, Series  # noqa: E402

GENERATED = "Made by `python dashboards/build.py`: an edit here is lost."


def recording_rules() -> str:
    """rules/recording.yml: a Prometheus rule file with every `modelyard:*` series."""
    return "\n".join([f"# {GENERATED}", "groups:", *(_group(group) for group in GROUPS)]) + "\n"


def _group(group: Group) -> str:
    return "\n".join(
        [f"  # {group.about}", f"  - name: {group.name}", "    rules:", *(_rule(series) for series in group.series)]
    )


def _rule(series: Series) -> str:
    expression = "\n".join(f"          {line}" for line in series.local.splitlines())
    return f"      # {series.help} [{series.unit}]\n      - record: {series.name}\n        expr: |-\n{expression}"


def generated() -> dict[Path, str]:
    """Every generated file with the text that it must have."""
    from dashboards import autoscaling, model_health, overview, platform_health, service

    made = {
        "autoscaling": autoscaling,
        "model-health": model_health,
        "overview": overview,
        "platform": platform_health,
        "service": service,
    }
    dashboards = {HERE / "json" / f"{name}.json": dashboard_json(told.build()) for name, told in made.items()}
    return {HERE / "rules" / "recording.yml": recording_rules(), **dashboards}


def dashboard_json(built: object) -> str:
    """A dashboard as Grafana reads it."""
    from grafana_foundation_sdk.cog.encoder import JSONEncoder

    return json.dumps(built, cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def write_or_check(files: dict[Path, str], about: str | None) -> int:
    """Write the files, or with --check tell the stale ones; the exit code is 1 if there are any."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--check", action="store_true", help="write nothing, say what is stale")
    only_check = parser.parse_args().check
    stale = [path for path, text in files.items() if not path.exists() or path.read_text("utf-8") != text]
    for path in stale:
        if not only_check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path], "utf-8")
        print(f"{'stale' if only_check else 'wrote'} {path.relative_to(REPOSITORY)}")
    return 1 if only_check and stale else 0


if __name__ == "__main__":
    raise SystemExit(write_or_check(generated(), __doc__))
