"""Make the pages that are lists from the lists themselves: `python docs/build.py`; `--check` only says what is"
" stale."""

from __future__ import annotations

import os
import re
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin
from unittest.mock import patch

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
if str(REPOSITORY) not in sys.path:  # run as a script, the folder of the script is on the path and not the checkout
    sys.path.append(str(REPOSITORY))

from dashboards.build import write_or_check  # noqa: E402
from dashboards.series import GROUPS, RATE_WINDOW_S, Series  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic.fields import FieldInfo

    from modelyard.errors import YardError

GENERATED = "<!-- Made by `python docs/build.py`: an edit here is lost. -->"
SOMEBODY = "/home/somebody"
FIRST_AID = (
    ("before a class, or when nothing works", "./invoke doctor"),
    ("something is wrong and you want to know what", "./invoke why"),
    ("something does not run that should", "./invoke up"),
    ("something was broken on purpose", "./invoke mend"),
    ("you want to see it", "./invoke open"),
    ("you want to begin anew; asks first, and forgets data", "./invoke reset"),
)
BOUNDS = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}


def metrics_page() -> str:
    """docs/metrics.md: every recorded series and every alert."""
    lines = [
        GENERATED,
        "# Metrics and alerts",
        "",
        "Every part of a yard tells Prometheus what it measures, each in its own words. Recording rules"
        " (`dashboards/rules/recording.yml`) turn that into one set of series, `modelyard:*`; dashboards and alert"
        " rules read only those, so they stay as they are when something else measures.",
        f"Rates and quantiles are taken over {RATE_WINDOW_S} seconds. What is not known has no sample; it is not 0.",
        "Ask for one: `curl -s http://127.0.0.1:7604/api/v1/query --data-urlencode 'query=modelyard:service_up'`"
        " (7604 is Prometheus' port in the default block; `./invoke status` tells yours).",
        "",
    ]
    for group in GROUPS:
        lines += [f"## {group.about[0].upper()}{group.about[1:]}", "", "| series | tells | unit | labels |"]
        lines += ["|---|---|---|---|", *(_series(series) for series in group.series), ""]
    return "\n".join([*lines, *_alerts(), *_dashboards()]) + "\n"


def _series(series: Series) -> str:
    labels = ", ".join(f"`{label}`" for label in series.labels) or "none"
    return f"| `{series.name}` | {series.help} | {series.unit} | {labels} |"


def _dashboards() -> list[str]:
    import json

    lines = [
        "",
        "## Dashboards",
        "",
        "Each panel is a question, and these are the questions. They are made from Python (`dashboards/`) by"
        " `python dashboards/build.py`; the board draws them, and Grafana where the yard has one."
        " `./invoke check dashboards` lints the files and asks every panel's query; of a Grafana it also asks whether"
        " dashboards, folder, data sources and contact point have arrived. In the graphs blue lines are promotions,"
        " canaries and roll-backs, red stretches are alerts.",
        "",
        "| dashboard | asks |",
        "|---|---|",
    ]
    for path in sorted((REPOSITORY / "dashboards" / "json").glob("*.json")):
        held = json.loads(path.read_text("utf-8"))
        titles = [panel["title"] for panel in held["panels"] if panel["type"] != "row"]
        lines.append(f"| {held['title']} | {'<br>'.join(titles)} |")
    return lines


def _alerts() -> list[str]:
    import yaml

    held = yaml.safe_load((REPOSITORY / "dashboards" / "rules" / "alerts.yml").read_text("utf-8"))
    rules = [rule for group in held["groups"] for rule in group["rules"]]
    return [
        "## Alerts",
        "",
        "Alertmanager groups them by name, InferenceService and model version and sends them, and their end, to the"
        " drift monitor, which keeps their history: `curl -s http://127.0.0.1:7606/alerts`.",
        "",
        "| alert | fires when | after | severity |",
        "|---|---|---|---|",
        *(f"| `{rule['alert']}` | `{rule['expr']}` | {rule['for']} | {rule['labels']['severity']} |" for rule in rules),
    ]


def settings_page() -> str:
    """docs/settings.md: every setting with its variable, default and allowed values."""
    from modelyard.settings import Settings

    rows = [
        f"| `MODELYARD_{name.upper()}` | {field.description} | {_default(field)} | {_allowed(field)} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(
        [
            GENERATED,
            "# Settings",
            "",
            "A setting is an environment variable; where a task has an option for it, the option wins. Names that"
            " end in `_S` are seconds. `MODELYARD_FOLDER` names the folder of one yard and wins over name and state"
            " folder.",
            "",
            "| variable | sets | default | allowed |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def troubleshooting_page() -> str:
    """docs/troubleshooting.md: every error of the tree, in its order, and how the first call can end."""
    from modelyard.errors import YardError

    lines = [
        GENERATED,
        "# Troubleshooting",
        "",
        "An error is a few lines, never a stack trace: what happened, what would be `allowed`, where `more` is told,"
        " and the `next` command to paste. The last word of `more` is a heading of this page.",
        "",
        "| when | type |",
        "|---|---|",
        *(f"| {when} | `{command}` |" for when, command in FIRST_AID),
        "",
    ]
    for family in YardError.__subclasses__():
        lines += [*_error(family, "##"), *(line for kind in _below(family) for line in _error(kind, "###"))]
    return "\n".join([*lines, *_first_call()])


def _below(kind: type[YardError]) -> Iterator[type[YardError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


def _error(kind: type[YardError], mark: str) -> list[str]:
    about = " ".join((kind.__doc__ or "").split("\n\n")[0].split())
    return [
        f"{mark} {kind.__name__}",
        "",
        about,
        "",
        f"- **Why:** {kind.cause}",
        f"- **Do:** {kind.remedy}",
        f"- **Type:** `{kind.next}`",
        "",
    ]


def _first_call() -> list[str]:
    """How `./invoke` itself can end before there is an environment, from the script's own words."""
    script = (REPOSITORY / "invoke").read_text("utf-8")
    works = re.findall(r"^works='(.+)'$", script, flags=re.M)[0]
    script = script.replace("$works", works)
    ends = re.findall(r'\bstop \d "([^"]+)" (?:\\\n *)?"([^"]+)"', script)
    rows = [f"| {_without_variables(what)} | {_without_variables(then)} |" for what, then in ends]
    return [
        "## Before there is an environment",
        "",
        "The first call of `./invoke` makes the locked environment. It may end with one of these; the same command goes"
        " on from where it ended.",
        "",
        "| it says | do |",
        "|---|---|",
        *rows,
        "",
    ]


def _without_variables(text: str) -> str:
    """A line of the script as it is for anybody: `$name` and `$(...)` become dots."""
    return re.sub(r"\$\([^()]*(\([^()]*\))?[^()]*\)|\$\{?\w+\}?|\$1", "...", text).replace("|", "\\|")


def fields_page() -> str:
    """docs/fields.md: every field of an InferenceService, and what becomes of it on this machine."""
    from modelyard.serving.spec import unserved as told

    parts = [
        ("spec", told.SPEC_SERVED, {}, told.SPEC_NEEDS_CLUSTER),
        ("spec.predictor", told.PREDICTOR_SERVED, told.PREDICTOR_WITHOUT_EFFECT, told.PREDICTOR_NEEDS_CLUSTER),
        ("spec.predictor.model", told.MODEL_SERVED, told.MODEL_WITHOUT_EFFECT, told.MODEL_NEEDS_CLUSTER),
        ("spec.predictor.model.storage", told.STORAGE_SERVED, told.STORAGE_WITHOUT_EFFECT, frozenset()),
        ("spec.predictor.logger", told.LOGGER_SERVED, {}, told.LOGGER_NEEDS_CLUSTER),
    ]
    lines = [
        GENERATED,
        "# Fields of an InferenceService on `local`",
        "",
        "Every field of KServe's schema is stored, and stands in one of these lists. One that needs a cluster gives the"
        " InferenceService a condition with the reason `NeedsCluster`; nothing is ignored in silence. The old form,"
        " such as `sklearn:`, is `model:` with that format. How answers differ: [kserve.md](kserve.md).",
        "",
    ]
    for name, served, without_effect, needs_cluster in parts:
        lines += [f"## `{name}`", "", f"Served: {_named(served)}.", ""]
        if needs_cluster:
            lines += [f"Needs a cluster: {_named(needs_cluster)}.", ""]
        if without_effect:
            rows = [f"| `{field}` | {why} |" for field, why in sorted(without_effect.items())]
            lines += ["| has no effect here | because |", "|---|---|", *rows, ""]
    return "\n".join(lines)


def _named(fields: Iterable[str]) -> str:
    return ", ".join(f"`{field}`" for field in sorted(fields))


@contextmanager
def _of_nobody() -> Iterator[None]:
    """Defaults as they are for anybody: none of the variables set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "MODELYARD_"))}
    with patch.dict(os.environ, {**kept, "HOME": SOMEBODY}, clear=True):
        yield


def _default(field: FieldInfo) -> str:
    with _of_nobody():
        value = field.get_default(call_default_factory=True)
    told = str(value).lower() if isinstance(value, bool) else str(value).replace(SOMEBODY, "~")
    return f"`{told}`" if told else "empty"


def _allowed(field: FieldInfo) -> str:
    kind: Any = field.annotation
    if get_origin(kind) is Literal:
        return " or ".join(f"`{value}`" if value else "empty" for value in get_args(kind))
    if kind is bool:
        return "`true` or `false`"
    told = [
        f"{words} {getattr(held, bound):g}"
        for held in field.metadata
        for bound, words in BOUNDS.items()
        if getattr(held, bound, None) is not None
    ]
    patterns = [held.pattern for held in field.metadata if getattr(held, "pattern", None)]
    told += [f"matches `{pattern.replace('|', chr(92) + '|')}`" for pattern in patterns]
    return ", ".join(told) or {Path: "a path", str: "text"}.get(kind, kind.__name__)


def generated() -> dict[Path, str]:
    """Every generated page with the text that it must have."""
    pages = {"metrics.md": metrics_page(), "settings.md": settings_page(), "fields.md": fields_page()}
    pages["troubleshooting.md"] = troubleshooting_page()
    return {HERE / name: text for name, text in pages.items()}


if __name__ == "__main__":
    raise SystemExit(write_or_check(generated(), __doc__))
