"""The report of a load test: verdicts, chart and figures as one page, beside the CSV files that they are made of."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from html import escape
from types import ModuleType
from typing import TYPE_CHECKING

from modelyard.drawing import style
from modelyard.drawing.timeline import standalone, timeline
from modelyard.load.objectives import exit_code
from modelyard.load.sampling import write_samples

if TYPE_CHECKING:
    from modelyard.load.running import LoadTest, Outcome


def write(test: LoadTest, outcome: Outcome, module: ModuleType) -> None:
    """Write verdicts.json, samples.csv, chart.svg and report.html into the test's folder."""
    write_samples(test.samples, test.folder / "samples.csv")
    held = exit_code(outcome.verdicts) == 0
    told = {
        "load": test.kind,
        "held": held,
        "verdicts": [asdict(verdict) for verdict in outcome.verdicts],
        "figures": outcome.figures,
    }
    (test.folder / "verdicts.json").write_text(json.dumps(told, indent=2) + "\n", "utf-8")
    chart = timeline(f"load {test.kind}", outcome.panels, outcome.bands, outcome.seconds)
    (test.folder / "chart.svg").write_text(standalone(chart), "utf-8")
    (test.folder / "report.html").write_text(page(test, outcome, chart, str(module.__doc__ or "")), "utf-8")


def page(test: LoadTest, outcome: Outcome, chart: str, about: str) -> str:
    """The whole document."""
    held = exit_code(outcome.verdicts) == 0
    missed = sum(not verdict.held for verdict in outcome.verdicts)
    told = f"{missed} of {len(outcome.verdicts)} objectives {'is' if missed == 1 else 'are'} missed"
    headline = "The SLO is met" if held else told
    rows = "".join(
        f'<tr class="{"held" if v.held else "failed"}"><td>{escape(v.claim)}</td><td>{escape(v.measured)}</td>'
        f'<td>{escape(v.asked)}</td><td><span class="mark">{"held" if v.held else "not held"}</span></td></tr>'
        for v in outcome.verdicts
    )
    figures = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in outcome.figures.items()
    )
    files = "".join(
        f'<a href="{escape(path.name)}">{escape(path.name)}</a>'
        for path in sorted(test.folder.iterdir())
        if path.suffix in {".csv", ".html", ".json", ".svg"} and path.name != "report.html"
    )
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(test.began))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>modelyard: load {escape(test.kind)}: {headline}</title><style>{style()}</style></head>"
        f'<body><main><header class="{"held" if held else "failed"}"><p class="over">load {escape(test.kind)}</p>'
        f"<h1>{headline}</h1><p>{began} · {outcome.seconds:.0f} s · yard {escape(test.conn.name)} · "
        f'InferenceService {escape(test.namespace)}/{escape(test.name)}</p><nav class="links">{files}</nav></header>'
        f'<section><div class="told"><p>{escape(about.strip().splitlines()[0])}</p></div>'
        '<figure><table class="verdicts"><tr><th>claim</th><th>measured</th><th>asked</th><th>held?</th></tr>'
        f'{rows}</table></figure></section><section><figure class="wide">{chart}</figure></section>'
        f"<section><figure><figcaption>Figures</figcaption><dl>{figures}</dl></figure></section>"
        "</main></body></html>\n"
    )
