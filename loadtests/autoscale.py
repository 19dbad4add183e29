"""Autoscale: replicas follow the requests in flight up and down, as Knative's autoscaler says they will.

    ./invoke load autoscale

Users come and go in stages; each always has one request under way, so that the concurrency is known. What the
autoscaler makes of it is shown beside what its own decision code says for that load.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from locust import LoadTestShape, events

from modelyard.autoscaling.config import parse_config
from modelyard.autoscaling.prediction import predict
from modelyard.autoscaling.spec import ScalingSpec, scaling_spec
from modelyard.drawing.timeline import Band, Curve, Panel
from modelyard.load.figures import latency_panel, replicas, step_of
from modelyard.load.measures import Request, between, concurrency, failures, first_failure, latency_ms, rate
from modelyard.load.objectives import Objective, Verdict
from modelyard.load.replicas import Looks, Stage, begins, overshoot, peak, reaction_s, settled, users_at
from modelyard.load.running import AUTOSCALER, LoadTest, Outcome
from modelyard.load.users import Caller

if TYPE_CHECKING:
    from collections.abc import Sequence

SLO = (
    Objective("failures", "No request fails while replicas come and go", "requests", at_most=0),
    Objective("p95_ms", "At the peak, once the replicas are there, a request is answered in time", "ms", at_most=1000),
    Objective("late_up_s", "Replicas come as soon as predicted (how late)", "s", at_most=5),
    Objective("late_down_s", "Replicas go as soon as predicted (how late)", "s", at_most=10),
    Objective("peak_off", "The peak is what was predicted (how far off)", "replicas", at_most=1),
)
STAGES = (Stage(1, 12), Stage(9, 35), Stage(4, 25), Stage(1, 30))
"""9 requests in flight are 3.2 times what a replica is to have: far from where a little more would need another."""
STAGES_FAST = (Stage(1, 5), Stage(9, 13), Stage(1, 14))
WINDOW_S, WINDOW_FAST_S = 10, 6
"""Stable window; Knative's default is 60 s, its least 6 s."""
TARGET, MOST_REPLICAS = 4, 8
"""Requests in flight that a replica is to have (Knative aims at 70 % of it), and replicas at most."""
SERVICE_S = 0.05
"""How long the sample model takes; it answers one request after the other."""
START_LATENCY_S = 1.0
"""From the decision to a replica that is ready, for the prediction."""
SETTLING_S = 4.0
"""After the load rose, before the latency at the peak is measured."""


@events.init_command_line_parser.add_listener
def add_stages(parser: Any) -> None:
    """Which of the two tables of stages."""
    parser.add_argument("--short", action="store_true", help="STAGES_FAST")


class Shape(LoadTestShape):
    """The users of the stage that it is time for."""

    def tick(self) -> tuple[int, float] | None:
        """Users now, and how many may come or go in a second."""
        runner: Any = self.runner
        environment = runner.environment
        users = users_at(stages(environment.parsed_options.short), self.get_run_time())
        return None if users is None or environment.record.is_over() else (users, 100.0)


class Asker(Caller):
    """Has one request under way, always."""


def stages(fast: bool) -> tuple[Stage, ...]:
    """The stages of the load."""
    return STAGES_FAST if fast else STAGES


def conduct(test: LoadTest) -> Outcome:
    """Deploy, send the stages, and lay the prediction beside what was seen."""
    plan = stages(test.fast)
    total = begins(plan)[-1]
    if not test.choices.name:
        window_s = WINDOW_FAST_S if test.fast else WINDOW_S
        test.view.say(f"InferenceService {test.name}: scaleTarget {TARGET}, stable window {window_s} s")
        annotations = {"autoscaling.knative.dev/window": f"{window_s}s"}
        scaling: dict[str, Any] = {"scaleMetric": "concurrency", "scaleTarget": TARGET}
        test.deploy(test.manifest("here", annotations=annotations, minReplicas=1, maxReplicas=MOST_REPLICAS, **scaling))
    body = f'{{"instances": [[{SERVICE_S}]]}}'
    with test.traffic("--seconds", str(total + 60), "--body", body, *(["--short"] if test.fast else [])) as locust:
        test.view.say("users: " + ", ".join(f"{stage.users} for {stage.seconds:g} s" for stage in plan))
        locust.wait(total + 90)
    return judge(test, test.requests(), plan, spec_of(test))


def spec_of(test: LoadTest) -> ScalingSpec:
    """What the autoscaler is told of the InferenceService, and by the settings of all."""
    held = test.services.get(test.name) or {}
    config = test.services.config_map(*AUTOSCALER)
    return scaling_spec(held["spec"]["predictor"], held["metadata"].get("annotations", {}), parse_config(config))


@dataclass(frozen=True)
class Followed:
    """How replicas followed a step of the load: where they settled, when they were there, and how far beyond."""

    settled: int | None
    reaction_s: float | None
    overshoot: int | None
    peak: int | None


def follow(looks: Looks, begin: float, end: float, wanted: int | None) -> Followed:
    """How replicas followed the stage from `begin` to `end`, `wanted` being where they are to arrive."""
    reacted = None if wanted is None else reaction_s(looks, begin, end, wanted)
    return Followed(settled(looks, begin, end), reacted, overshoot(looks, begin, end), peak(looks, begin, end))


def judge(test: LoadTest, requests: Sequence[Request], plan: Sequence[Stage], spec: ScalingSpec) -> Outcome:
    """Verdicts and chart of what was measured, beside what was predicted for the very load."""
    total = begins(plan)[-1]
    first = min((request.started for request in requests), default=test.began)
    metric = rate if spec.metric == "rps" else concurrency
    load = [(float(at), value) for at, value in enumerate(metric(requests, first, total))]
    predicted = predict(spec, load, start_latency_s=START_LATENCY_S)
    expected: Looks = [(at, ready) for at, _, ready in predicted]
    seen: Looks = [(sample.time - first, sample.ready) for sample in test.samples]
    steps = [
        (
            follow(seen, begin, end, settled(expected, begin, end)),
            follow(expected, begin, end, settled(expected, begin, end)),
        )
        for begin, end in zip(begins(plan), begins(plan)[1:], strict=False)
    ]
    up = max(range(len(plan)), key=lambda number: plan[number].users)
    (risen, risen_expected), (fallen, fallen_expected) = steps[up], steps[-1]
    at_peak = between(requests, first + begins(plan)[up] + SETTLING_S, first + begins(plan)[up + 1])
    verdicts: list[Verdict] = [
        test.verdict("failures", failures(requests) if requests else None),
        test.verdict("p95_ms", latency_ms(at_peak, 95)),
        test.verdict("late_up_s", late(risen.reaction_s, risen_expected.reaction_s)),
        test.verdict("late_down_s", late(fallen.reaction_s, fallen_expected.reaction_s)),
        test.verdict("peak_off", apart(risen.peak, risen_expected.peak)),
    ]
    figures = {
        "requests": len(requests),
        "reaction up: seen, predicted (s)": [shown(risen.reaction_s), shown(risen_expected.reaction_s)],
        "reaction down: seen, predicted (s)": [shown(fallen.reaction_s), shown(fallen_expected.reaction_s)],
        "replicas at the peak: seen, predicted": [risen.peak, risen_expected.peak],
        "overshoot at the peak: seen, predicted": [risen.overshoot, risen_expected.overshoot],
        "replicas at the end: seen, predicted": [fallen.settled, fallen_expected.settled],
        "p50, p95 of all (ms)": [round(latency_ms(requests, percent) or 0, 1) for percent in (50, 95)],
        "first failure": first_failure(requests) or "none",
    }
    return Outcome(verdicts, *draw(test, requests, plan, first, predicted), figures)


def late(seen: float | None, expected: float | None) -> float | None:
    """How much later than predicted something was seen; early is 0, never is None."""
    return None if seen is None or expected is None else max(seen - expected, 0.0)


def apart(seen: int | None, expected: int | None) -> float | None:
    """How far two counts are apart."""
    return None if seen is None or expected is None else float(abs(seen - expected))


def shown(seconds: float | None) -> str:
    """A reaction as it is read."""
    return "never" if seconds is None else f"{seconds:.1f}"


def draw(
    test: LoadTest,
    requests: Sequence[Request],
    plan: Sequence[Stage],
    first: float,
    predicted: Sequence[tuple[float, int, int]],
) -> tuple[list[Panel], list[Band], float]:
    """Load, replicas and latency over time."""
    edges = begins(plan)
    seconds = edges[-1]
    step_s = max(step_of(seconds), 0.5)
    held = concurrency(requests, first, seconds, step_s)
    panels = [
        Panel(
            "Load (requests in flight)",
            [Curve("average", [((place + 0.5) * step_s, value) for place, value in enumerate(held)])],
        ),
        Panel(
            "Replicas that are ready",
            [
                Curve("seen", replicas(test.samples, first), "area"),
                Curve("predicted", [(at, float(ready)) for at, _, ready in predicted], "dashed"),
            ],
            whole=True,
        ),
        latency_panel(requests, first, seconds),
    ]
    bands = [
        Band(begin, end, f"{stage.users} user{'s' if stage.users > 1 else ''}")
        for stage, begin, end in zip(plan, edges, edges[1:], strict=False)
    ]
    return panels, bands, seconds
