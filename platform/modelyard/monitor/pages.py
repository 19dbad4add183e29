"""The monitor's page for people: versions, windows, reports, alerts; plain HTML that needs no network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

MOST_WINDOWS = 40
MOST_ALERTS = 60
STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1c2733}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #dde3ea;vertical-align:top}
th{font-weight:600;color:#4a5a6a}.bad{color:#b3261e;font-weight:600}.good{color:#1b6e3c}.dim{color:#6b7885}
"""


def render_index(
    status: Mapping[str, Any], windows: Sequence[Mapping[str, Any]], alerts: Sequence[Mapping[str, Any]]
) -> str:
    """The page; everything that came from outside is escaped."""
    newest = sorted(windows, key=lambda held: held["ended"] or "", reverse=True)[:MOST_WINDOWS]
    backlog = status["backlog"]
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=5>"
        f"<title>Drift monitor</title><style>{STYLE}</style><h1>Drift monitor</h1>"
        f"<p class=dim>Waiting: {backlog['events']} events, {backlog['windows']} windows. "
        "Machine-readable: <a href=/status>status</a>, <a href=/windows>windows</a>, <a href=/alerts>alerts</a>, "
        "<a href=/metrics>metrics</a>.</p>"
        "<h2>Model versions</h2>"
        + _table(
            ("InferenceService", "Model version", "Rows", "Truths", "Drift", "Quality", "Run"),
            [_version(held) for held in status["versions"]],
            "No prediction has been logged yet.",
        )
        + "<h2>Windows, newest first</h2>"
        + _table(
            ("Window", "InferenceService", "Phase", "Ended", "Verdict", "Report"),
            [_window(held) for held in newest],
            "No window is full yet.",
        )
        + "<h2>Alerts, newest first</h2>"
        + _table(
            ("Received", "Status", "Alert", "InferenceService", "What"),
            [_alert(held) for held in reversed(alerts[-MOST_ALERTS:])],
            "No alert has been raised.",
        )
    )


def _table(head: Iterable[str], rows: Sequence[Sequence[str]], nothing: str) -> str:
    if not rows:
        return f"<p class=dim>{escape(nothing)}</p>"
    top = "".join(f"<th>{escape(name)}" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}" for cell in row) for row in rows)
    return f"<table><tr>{top}{body}</table>"


def _version(held: Mapping[str, Any]) -> list[str]:
    name = escape(held["model_version"]) or "<span class=dim>not annotated</span>"
    traffic = "" if held["in_traffic"] else " <span class=dim>(no traffic)</span>"
    config = held["config"]
    watched = config["state"] == "ready"
    counted = f"<span class=dim>counted only: {escape(config['error'] or config['state'])}</span>"
    return [
        escape(f"{held['namespace']}/{held['inferenceservice']}"),
        name + traffic,
        str(held["rows"]),
        str(held["truths"]),
        _drift(held["drift"]["last"]) if watched else counted,
        _quality(held["quality"]["last"]),
        f"<code>{escape(held['run_id'])}</code>",
    ]


def _drift(last: Mapping[str, Any] | None) -> str:
    if last is None:
        return "<span class=dim>no window yet</span>"
    if "error" in last:
        return f"<span class=bad>no report</span>: {escape(str(last['error']))}"
    if not last.get("drifted"):
        return (
            "<span class=good>no drift</span>" if "drifted" in last else "<span class=dim>report is being made</span>"
        )
    named = ", ".join(f"{escape(name)} {last['columns'][name]:.2f}" for name in last["drifted_columns"])
    return f"<span class=bad>drift</span>: {named} ({last['breaches_in_a_row']} in a row)"


def _quality(last: Mapping[str, Any] | None) -> str:
    if last is None:
        return "<span class=dim>no window yet</span>"
    recall = ", ".join(f"{escape(name)} {_number(value)}" for name, value in last["recall"].items())
    breached = [f"{escape(name)} {n} in a row" for name, n in last["breaches_in_a_row"].items() if n]
    bad = f" <span class=bad>below: {', '.join(breached)}</span>" if breached else ""
    return f"accuracy {_number(last['accuracy'])}, log-loss {_number(last['log_loss'])}; recall {recall}{bad}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


def _window(held: Mapping[str, Any]) -> list[str]:
    report = held.get("report")
    return [
        escape(f"{held['kind']} {held['number']}"),
        escape(f"{held['namespace']}/{held['inferenceservice']} version {held['model_version']}"),
        escape(held["phase"]),
        escape(held["ended"] or ""),
        _drift(held) if held["kind"] == "drift" else _quality(held),
        f'<a href="{escape(report)}">report</a>' if report else "",
    ]


def _alert(held: Mapping[str, Any]) -> list[str]:
    labels, told = held["labels"], held["annotations"]
    css = "bad" if held["status"] == "firing" else "good"
    return [
        escape(held["received"] or ""),
        f"<span class={css}>{escape(held['status'])}</span>",
        escape(str(labels.get("alertname", ""))),
        escape(f"{labels.get('inferenceservice', '')} version {labels.get('model_version', '')}"),
        escape(str(told.get("summary") or told.get("description") or "")),
    ]
