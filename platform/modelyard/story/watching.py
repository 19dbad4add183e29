"""Chapters that watch a model: ordinary traffic, and drift."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from modelyard.story.claims import Finding
from modelyard.story.context import Since, Story, mean, seconds_of
from modelyard.story.locust import Sent

PROMISE = 0.04
"""How far the accuracy of 3,000 flights may be from that of 15,585: its standard deviation is .0085."""
FALL = 0.03
"""The least fall that counts; .07 is expected, with a standard deviation of .012."""
EARLY_RECALL = 0.42
DISTANCE = 1.5


def tell_traffic(story: Story) -> Iterator[Finding]:
    """Held-out flights of January to March."""
    version = story.need("stable_version", chapter="registry")
    flights = story.flights(story.plan.ordinary)
    since = story.begin("January to March", version)
    sent = story.replay(flights, since, rows=story.plan.ordinary_rows, follow=True)
    yield answered("traffic.answered", sent)
    drift, quality = expected_windows(story, sent)
    yield logged("traffic.logged", story, since, sent)
    story.wait_windows(since, drift=drift, quality=quality)
    story.wait_evaluated(
        f'modelyard_monitor_windows_total{story.selector(version)[:-1]},kind="drift"}}',
        lambda seen: seen >= len(story.windows(since, "drift")),
    )
    yield quiet("traffic.quiet", story, since, drift)
    windows = story.windows(since, "drift")
    largest = max((d for w in windows for d in w["columns"].values() if d is not None), default=None)
    yield Finding(
        "traffic.distance",
        held=len(windows) >= drift and not any(w["drifted"] for w in windows),
        value=largest,
        evidence={"windows": len(windows), "rows a window": story.plan.window_rows, "alert at": DISTANCE},
        command=show_windows(story, version, "drift"),
    )
    accuracy, promised = mean([w["accuracy"] for w in story.windows(since, "quality")]), promised_by(story)
    yield Finding(
        "traffic.accuracy",
        held=accuracy is not None and abs(accuracy - promised) <= PROMISE,
        value=accuracy,
        evidence={"promised by training": promised, "may differ by": PROMISE},
        command=show_windows(story, version, "quality"),
    )
    story.draw(since, sent)
    story.state.keep(accuracy_ordinary=accuracy, early_ordinary=early_recall(story, since))


def tell_drift(story: Story) -> Iterator[Finding]:
    """July: inputs first, truth later."""
    version = story.need("stable_version", chapter="registry")
    before = story.need("accuracy_ordinary", chapter="traffic")
    flights = story.flights(story.plan.drift)
    since = story.begin("July", version)
    story.state.keep(drift_began=since.at)
    sent = story.replay(flights, since, rows=story.plan.drift_rows)
    drift, quality = expected_windows(story, sent)
    story.wait_windows(since, drift=drift)
    yield far("drift.metrics", story, since, drift)
    yield arrived("drift.alert", story, since, story.wait_alert("InputDrift", since))
    accepted = story.monitor.tell_truths(sent.truths())
    story.narrator.say(f"truth arrives: {accepted} flights have landed")
    story.wait_windows(since, quality=quality)
    windows = story.windows(since, "quality")
    accuracy = mean([w["accuracy"] for w in windows])
    yield Finding(
        "drift.accuracy",
        held=accuracy is not None and before - accuracy >= FALL,
        value=f"{before:.3f} -> {accuracy:.3f}" if accuracy is not None else None,
        evidence={"January to March": before, "July": accuracy, "least fall that counts": FALL},
        command=show_windows(story, version, "quality"),
    )
    recalls = [w["recall"].get("early") for w in windows]
    yield Finding(
        "drift.early",
        held=len(recalls) >= quality and all(r is not None and r < EARLY_RECALL for r in recalls),
        value=mean(recalls),
        evidence={
            "recall by window": recalls,
            "January to March": story.state.facts.get("early_ordinary"),
            "alert below": EARLY_RECALL,
        },
        command=show_windows(story, version, "quality"),
    )
    yield arrived("drift.recall_alert", story, since, story.wait_alert("ClassRecallLow", since, **{"class": "early"}))
    story.monitor.wait_drained(story.plan.wait_s)
    story.draw(since, sent)
    story.state.keep(early_drift=mean(recalls), accuracy_drift=accuracy)


def expected_windows(story: Story, sent: Sent) -> tuple[int, int]:
    """Whole windows of rows, and of truths, that what was sent must give."""
    size = story.plan.window_rows
    return sent.rows // size, sum(1 for _ in sent.truths()) // size


def answered(claim: str, *replays: Sent) -> Finding:
    """Whether every request was answered, and there were requests at all."""
    requests = sum(int(sent.summary["requests"]) for sent in replays)
    failures = sum(sent.failures for sent in replays)
    return Finding(
        claim,
        held=requests > 0 and failures == 0,
        value=f"{requests} requests, {failures} failed",
        evidence={
            "rows": sum(sent.rows for sent in replays),
            "requests a second": [sent.summary["requests_per_second"] for sent in replays],
            "p95 (ms)": [sent.summary["p95_ms"] for sent in replays],
            "first failure": next((s.summary["first_failure"] for s in replays if s.failures), "none"),
        },
        command=replays[-1].command,
    )


def logged(claim: str, story: Story, since: Since, sent: Sent) -> Finding:
    """Whether the monitor counts exactly the rows that were answered, under that version."""
    seen = story.wait_rows(since, sent.rows)
    return Finding(
        claim,
        held=seen == sent.rows > 0,
        value=f"{seen} of {sent.rows} rows",
        evidence={"model version": since.version, "rows answered": sent.rows, "rows in the monitor": seen},
        command=f"curl -s {story.monitor.address}/status",
    )


def quiet(claim: str, story: Story, since: Since, windows: int) -> Finding:
    """Whether nothing fired in a phase that was measured: silence without windows proves nothing."""
    told = [f"{a['labels']['alertname']} ({a['status']})" for a in story.alerts(since.at)]
    active = [
        alert["labels"]["alertname"]
        for alert in story.prometheus.alerts()
        if alert["labels"].get("inferenceservice") == story.name
    ]
    measured = len(story.windows(since, "drift"))
    return Finding(
        claim,
        held=not told and not active and measured >= max(windows, 1),
        value=f"{len(told) + len(active)} alerts in {measured} windows",
        evidence={"reached the webhook": told or "none", "active in Prometheus": active or "none"},
        command=f"curl -s {story.monitor.address}/alerts",
    )


def far(claim: str, story: Story, since: Since, windows: int) -> Finding:
    """Whether the dew point is beyond its threshold in every window, and there are as many as there must be."""
    measured = story.windows(since, "drift")
    distances = [w["columns"].get("dewp") for w in measured]
    usual = [p["dewp"] for p in story.state.figures.get("drift", []) if p["phase"] == "January to March"]
    return Finding(
        claim,
        held=len(distances) >= max(windows, 1) and all(d is not None and d >= DISTANCE for d in distances),
        value=mean(distances),
        evidence={
            "distance by window": distances,
            "January to March": usual,
            "alert at": DISTANCE,
            **report_of(story, measured),
        },
        command=show_windows(story, since.version, "drift"),
    )


def arrived(claim: str, story: Story, since: Since, alert: dict[str, Any] | None) -> Finding:
    """Whether an alert reached the webhook, and how long after the phase's first row."""
    if alert is None:
        return Finding(
            claim, held=False, value=None, evidence={"alerts": [a["labels"] for a in story.alerts(since.at)]}
        )
    took = seconds_of(alert["received"]) - since.at
    return Finding(
        claim,
        held=True,
        value=f"{took:.0f} s after the first flight",
        evidence={
            "alert": alert["labels"]["alertname"],
            "model version": alert["labels"].get("model_version"),
            "began": alert["startsAt"],
            "reached the webhook": alert["received"],
            "fingerprint": alert["fingerprint"],
            "says": alert["annotations"].get("summary"),
        },
        command=f"curl -s {story.monitor.address}/alerts",
    )


def report_of(story: Story, windows: list[dict[str, Any]]) -> dict[str, str]:
    """Where Evidently's report on the last of these windows is."""
    return {"report": f"{story.monitor.address}{windows[-1]['report']}"} if windows else {}


def early_recall(story: Story, since: Since) -> float | None:
    """Mean recall of early flights over a phase's windows of truth."""
    return mean([w["recall"].get("early") for w in story.windows(since, "quality")])


def promised_by(story: Story) -> float:
    """Accuracy on held-out flights that training logged."""
    return float(story.need("accuracy_promised", chapter="training"))


def show_windows(story: Story, version: str, kind: str) -> str:
    """A command that shows windows."""
    return f"curl -s '{story.monitor.address}/windows?model_version={version}&kind={kind}'"
