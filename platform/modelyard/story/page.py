"""report.html: one file without network, readable on a projector, in light and dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from modelyard.drawing import style, timeline
from modelyard.drawing.charts import Limit, Point, bar_chart, line_chart, stacked_chart
from modelyard.story.chapters import BY_ID

if TYPE_CHECKING:
    from modelyard.story.claims import ChapterResult, Claim
    from modelyard.story.report import Report

CLASSES = ("early", "on_time", "late", "very_late")
WIDE = ' class="wide"'


def page(report: Report) -> str:
    """The whole document."""
    claims = report.claims
    held = sum(claim.held for claim in claims)
    verdict = "held" if report.held else "failed"
    headline = (
        f"All {len(claims)} claims held"
        if report.held
        else f"{len(claims) - held} of {len(claims)} claims did not hold"
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>modelyard: {escape(headline)}</title><style>{style()}</style></head><body><main>"
        f'<header class="{verdict}"><p class="over">modelyard, the story of one model</p><h1>{escape(headline)}</h1>'
        f"<p>{escape(report.started)} · {report.seconds:.0f} s · {escape(report.profile)} · yard {escape(report.yard)}"
        f" · {held} of {len(claims)} claims held</p>{_links(report.links)}</header>"
        f"{_contents(report.chapters)}{_charts(report.figures)}"
        f"{''.join(_chapter(chapter, report.links, report.workspace) for chapter in report.chapters)}"
        "<footer><p>Each phase's flights are replayed in random order. Traffic in the order of time would need "
        "seasonal references: a day of weather looks like drift. Addresses in this page answer while the yard is "
        "up (<code>./invoke up</code>); everything else stands in this file.</p></footer></main></body></html>\n"
    )


def _links(links: Mapping[str, str]) -> str:
    told = "".join(f'<a href="{escape(url)}">{escape(name)}</a>' for name, url in links.items())
    return f'<nav class="links">{told}</nav>' if told else ""


def _contents(chapters: Sequence[ChapterResult]) -> str:
    longest = max((chapter.seconds for chapter in chapters), default=1.0) or 1.0
    rows = "".join(
        f'<li class="{_state(chapter)}"><a href="#{escape(chapter.id)}">{escape(chapter.title)}</a>'
        f'<span class="bar"><i style="width:{100 * chapter.seconds / longest:.1f}%"></i></span>'
        f"<span>{chapter.seconds:.0f} s</span>"
        f"<span>{sum(claim.held for claim in chapter.claims)}/{len(chapter.claims)}</span></li>"
        for chapter in chapters
    )
    return f'<ol class="contents">{rows}</ol>'


def _state(chapter: ChapterResult) -> str:
    return "held" if chapter.held else "failed" if chapter.reached else "unreached"


def _chapter(result: ChapterResult, links: Mapping[str, str], workspace: str) -> str:
    told = BY_ID[result.id]
    looks = [f'<a href="{escape(links[name] + path)}">{escape(name)}</a>' for name, path in told.look if name in links]
    look = f"<p><b>Where to look</b> {' '.join([*looks, f'<code>{escape(told.command(workspace))}</code>'])}</p>"
    error = f'<pre class="error">{escape(result.error)}</pre>' if result.error else ""
    return (
        f'<section id="{escape(result.id)}" class="{_state(result)}"><h2>{escape(result.title)}</h2>'
        f'<div class="told"><p>{_code(told.happens)}</p><p><b>Why it matters</b> {_code(told.why)}</p>'
        f"<p><b>The habit</b> {_code(told.habit)}</p>{look}</div>{error}"
        f"{''.join(_claim(claim) for claim in result.claims)}</section>"
    )


def _claim(claim: Claim) -> str:
    mark = "held" if claim.held else "failed"
    evidence = "".join(f"<dt>{escape(name)}</dt><dd>{_value(held)}</dd>" for name, held in claim.evidence.items())
    command = f"<dt>see it again</dt><dd><code>{escape(claim.command)}</code></dd>" if claim.command else ""
    long = ' class="long"' if len(str(claim.value)) > 24 else ""
    error = f"<dt>undecided</dt><dd>{escape(claim.error)}</dd>" if claim.error else ""
    return (
        f'<article class="{mark}" id="{escape(claim.id)}"><div class="line"><span class="mark">'
        f"{'held' if claim.held else 'not held'}</span><h3>{escape(claim.claim)}</h3>"
        f"<output{long}>{_value(claim.value)}</output></div><dl>{error}{evidence}{command}</dl></article>"
    )


def _value(held: Any) -> str:
    if held is None:
        return "no data"
    if isinstance(held, float):
        return f"{held:.4g}"
    if isinstance(held, Mapping):
        return "<br>".join(f"{escape(str(name))}: {_value(value)}" for name, value in held.items())
    if isinstance(held, list | tuple):
        return "<br>".join(_value(value) for value in held)
    text = escape(str(held))
    return f'<a href="{text}">{text}</a>' if text.startswith(("http://", "https://")) else text


def _code(text: str) -> str:
    """Text whose `parts in backquotes` become code."""
    parts = text.split("`")
    return "".join(f"<code>{escape(part)}</code>" if n % 2 else escape(part) for n, part in enumerate(parts))


def _charts(figures: Mapping[str, Any]) -> str:
    drift = [
        Point(w["phase"], f"window {w['number']} of version {w['version']}", {"dewp": w["dewp"]})
        for w in figures.get("drift", [])
    ]
    quality = [
        Point(
            w["phase"],
            f"window {w['number']} of version {w['version']}",
            {"accuracy": w["accuracy"], "recall of early flights": w["early"]},
        )
        for w in figures.get("quality", [])
    ]
    drawn = [
        _figure(caption, timeline.drawn(caption, held), WIDE) for caption, held in figures.get("timelines", {}).items()
    ]
    if drift:
        chart = bar_chart("Distance of the dew point", drift, limit=Limit(1.5, "alert at 1.5"))
        drawn.append(_figure("How far the dew point is from its reference, window by window", chart, WIDE))
    if quality:
        chart = line_chart(
            "Quality", quality, limit=Limit(0.42, "alert on early recall below .42, twice"), low=0.0, high=1.0
        )
        drawn.append(_figure("What truth says, a thousand flights at a time", chart, WIDE))
    if figures.get("mix"):
        drawn.append(_figure("What the versions answer", stacked_chart("Predicted classes", figures["mix"], CLASSES)))
    if figures.get("judged"):
        drawn.append(_figure("The judge: both versions on the very same flights", _judged(figures["judged"])))
    return f'<div class="charts">{"".join(drawn)}</div>' if drawn else ""


def _figure(caption: str, inner: str, kind: str = "") -> str:
    return f"<figure{kind}><figcaption>{escape(caption)}</figcaption>{inner}</figure>"


def _judged(held: Sequence[Mapping[str, Any]]) -> str:
    head = "<tr><th>candidate</th><th>truths</th><th>log-loss</th><th>accuracy</th><th>verdict</th></tr>"
    rows = "".join(
        f"<tr><td>{escape(row['candidate'])}</td><td>{row['truths']}</td>"
        f"<td>{_moved(row['stable_log_loss'], row['candidate_log_loss'])}</td>"
        f"<td>{_moved(row['stable_accuracy'], row['candidate_accuracy'])}</td><td>{escape(row['action'])}</td></tr>"
        for row in held
    )
    limits = "promoted if log-loss rises by at most .02 and accuracy falls by at most .03"
    return f'<table>{head}{rows}</table><p class="legend">{limits}</p>'


def _moved(before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return "no data"
    return f"{before:.3f} → {after:.3f} <b>({after - before:+.3f})</b>"
