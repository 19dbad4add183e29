"""Chapters that load a small model of their own: replicas follow requests, and go to zero without any."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from modelyard.drawing.timeline import as_dict
from modelyard.load.running import Choices, LoadTest, Outcome, run
from modelyard.story.claims import Finding
from modelyard.story.context import Held, Story

SHORT = {True: " --fast", False: ""}


def tell_scaling(story: Story) -> Iterator[Finding]:
    """Users come and go."""
    test, outcome = loaded(story, "autoscale", "Replicas follow the load, seen and predicted")
    figures = outcome.figures
    seen, predicted = figures["replicas at the peak: seen, predicted"]
    yield found(
        "scaling.up",
        test,
        figures,
        ("late_up_s", "peak_off", "p95_ms"),
        f"{seen} replicas, {predicted} predicted",
        more=seen is not None and seen > 1,
    )
    seen, predicted = figures["replicas at the end: seen, predicted"]
    yield found("scaling.back", test, {}, ("late_down_s",), f"{seen} left, {predicted} predicted")
    yield found("scaling.answered", test, {}, ("failures",), f"{figures['requests']} requests")


def tell_sleeping(story: Story) -> Iterator[Finding]:
    """Nobody asks, then five do."""
    test, outcome = loaded(story, "zero", "Asleep and awake")
    figures = outcome.figures
    yield found("sleeping.zero", test, {}, ("asleep_s", "cycles"), test.judged["asleep_s"].measured)
    yield found("sleeping.answered", test, {}, ("failures",), figures["first requests"])
    yield found("sleeping.cold", test, figures, ("cold_p50_s", "cold_p95_s"), test.judged["cold_p95_s"].measured)


def loaded(story: Story, kind: str, caption: str) -> tuple[LoadTest, Outcome]:
    """Run a load test beside the story's InferenceService, and keep its chart for the report."""
    choices = Choices(fast=story.plan.short_load, namespace=story.namespace)
    test, outcome = run(story.conn, kind, choices, story.folder / f"load-{kind}")
    story.state.figures.setdefault("timelines", {})[caption] = as_dict(outcome.panels, outcome.bands, outcome.seconds)
    story.state.save()
    return test, outcome


def found(
    claim: str, test: LoadTest, figures: Held, objectives: Sequence[str], value: str, *, more: bool = True
) -> Finding:
    """Whether objectives of a load test were met (and what else must be true), with figures as further evidence."""
    held = [test.judged[objective] for objective in objectives]
    asked = {verdict.claim: f"{verdict.measured}; {verdict.asked}" for verdict in held}
    return Finding(
        claim,
        held=more and all(verdict.held for verdict in held),
        value=value,
        evidence={**asked, **figures, "chart": str(test.folder / "report.html")},
        command=f"./invoke load {test.kind}{SHORT[test.fast]}",
    )
