"""What the tasks of the story do and print: the steps of the chapters, one at a time, on a yard that is up."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from modelyard.console import say
from modelyard.errors import GateRefused, InferenceServiceAbsent, OptionInvalid, RegistryError
from modelyard.settings import load_settings

if TYPE_CHECKING:
    from modelyard.connections import Connections

MODEL = "flights"


def connected() -> Connections:
    """The connections of the yard that the settings name.

    Raises:
        YardNotUp: there is none.
    """
    from modelyard.connections import connect
    from modelyard.yard.up import yard_folder

    settings = load_settings()
    return connect(yard_folder(settings), settings)


def data(version: str = "v1") -> None:
    """Make a data version, or bring it back."""
    from modelyard.workspace import ensure_workspace

    made = ensure_workspace(connected(), say).add_data_version(version)
    say(f"{made.tag}  md5 {made.md5}  commit {made.commit[:10]}  {made.rows} flights  {made.remote_url}")
    say("next: ./invoke train")


def train(params: Sequence[str] = ()) -> int:
    """Train on the data version that the workspace has, register, ask the gate; what passes becomes staging."""
    from modelyard.registry import register
    from modelyard.registry.gate import check
    from modelyard.registry.models import list_versions
    from modelyard.registry.promotion import promote as move
    from modelyard.workspace import ensure_workspace

    conn = connected()
    run_id = ensure_workspace(conn, say).train(read_params(params))
    version = register(conn, run_id)
    say(f"run {run_id} is {version.name} version {version.version}")
    say("asking the gate: this version and the one in production on the same held-out flights")
    verdict = check(conn, version)
    for line in verdict.lines():
        say(line)
    if not verdict.passed:
        return GateRefused.exit_code
    say(move(conn, MODEL, version.version, "staging", "It passed the gate").line())
    production = next((held.version for held in list_versions(conn, MODEL) if "production" in held.aliases), None)
    say(f"next: {decide_next_command(production, version.version)}")
    return 0


def decide_next_command(production: str | None, candidate: str) -> str:
    """What a person types after a version has passed the gate: a first one is promoted, a later one is tried beside it.

    Args:
        production: version that is in production, None for none.
        candidate: version that has passed.
    """
    if production is None:
        return "./invoke promote --why 'The first version'"
    return "./invoke predict" if production == candidate else "./invoke canary"


def read_params(given: Sequence[str]) -> dict[str, Any]:
    """`name=value` pairs; a value is read as YAML, as in params.yaml.

    Raises:
        OptionInvalid: a pair has no equals sign.
    """
    import yaml

    wrong = [pair for pair in given if "=" not in pair]
    if wrong:
        raise OptionInvalid(
            f"--param {wrong[0]!r} has no value",
            allowed="NAME=VALUE",
            next_command="./invoke train --param model.max_iter=80",
        )
    return {name: yaml.safe_load(value) for name, _, value in (pair.partition("=") for pair in given)}


def promote(version: str = "staging", why: str = "") -> None:
    """Move @production, and serve what it names; a canary of that version takes all of the traffic."""
    from modelyard.registry import find_version
    from modelyard.registry.promotion import promote as move
    from modelyard.rollout.canary import describe_traffic

    if not why.strip():
        raise OptionInvalid(
            "a promotion is written down with its reason, and there is none",
            allowed="a sentence",
            next_command=f"./invoke promote --version {version} --why 'It passed the gate'",
        )
    conn = connected()
    chosen = find_version(conn, MODEL, version)
    say(move(conn, MODEL, chosen.version, "production", why).line())
    say(f"serving it: until InferenceService {MODEL} is ready")
    held = _serve(conn, chosen.version)
    say(f"{held.get('status', {}).get('url')}  {describe_traffic(held)}")
    say("next: ./invoke predict")


def _serve(conn: Connections, version: str) -> dict[str, Any]:
    from modelyard.kube import InferenceServices
    from modelyard.registry.deployment import MODEL_VERSION, manifest
    from modelyard.rollout.canary import promote as promote_canary

    settings = load_settings()
    services = InferenceServices(conn.kubeconfig, settings.namespace)
    present = services.get(MODEL)
    if present and present["spec"]["predictor"].get("canaryTrafficPercent") is not None:
        served = present["metadata"].get("annotations", {}).get(MODEL_VERSION)
        if served == version:
            return promote_canary(services, MODEL, deadline_s=settings.ready_deadline_s)
    applied = services.apply(manifest(conn, MODEL, version))
    generation = applied["metadata"]["generation"]
    return services.wait_ready(MODEL, generation=generation, deadline_s=settings.ready_deadline_s)


def predict(phase: str = "july", rows: int = 5) -> None:
    """Ask the InferenceService about a few flights, and show what became of them."""
    from modelyard.endpoint import predict as ask
    from modelyard.workspace import ensure_workspace

    conn = connected()
    _require_served(conn)
    file = ensure_workspace(conn, say).traffic(phase, rows=max(rows, 1), seed=int(time.time()))
    with file.open(encoding="utf-8") as lines:
        flights = [json.loads(line) for line in islice(lines, max(rows, 1))]
    answers = ask(conn, MODEL, [flight["features"] for flight in flights], namespace=load_settings().namespace)
    for flight, answer in zip(flights, answers, strict=True):
        held = flight["features"]
        share = answer["probabilities"][answer["class"]]
        say(
            f"{held['carrier']} {held['origin']} -> {held['dest']}, {held['dep_delay']:+.0f} min at push-back: "
            f"{answer['class']} ({share:.0%}); it was {flight['truth'] or 'diverted'}"
        )


def _require_served(conn: Connections) -> None:
    """Told before flights are made, which takes a while.

    Raises:
        InferenceServiceAbsent: nothing is served yet. ApiUnreachable: the yard is down.
    """
    from modelyard.kube import InferenceServices

    if InferenceServices(conn.kubeconfig, load_settings().namespace).get(MODEL) is None:
        raise InferenceServiceAbsent(
            f"InferenceService {MODEL} does not exist: no version was promoted yet",
            next_command="./invoke data && ./invoke train && ./invoke promote --why 'The first version'",
        )


def canary(*, percent: int = 10, rows: int = 8000, phase: str = "august", roll_back: bool = False) -> int:
    """Give @staging a part of the traffic, judge it, and promote or roll back; the exit code is the verdict."""
    from modelyard.kube import InferenceServices
    from modelyard.rollout import canary as rollout

    conn, settings = connected(), load_settings()
    services = InferenceServices(conn.kubeconfig, settings.namespace)
    if roll_back:
        say(rollout.describe_traffic(rollout.roll_back(services, MODEL, deadline_s=settings.ready_deadline_s)))
        return 0
    return _judge_staging(conn, percent=percent, rows=rows, phase=phase)


def _judge_staging(conn: Connections, *, percent: int, rows: int, phase: str) -> int:
    from dataclasses import replace

    from modelyard.rollout import canary as rollout
    from modelyard.rollout.judge import Action
    from modelyard.story import renewing, steps, telling
    from modelyard.story.context import Story
    from modelyard.story.narrator import Narrator
    from modelyard.story.plan import FAST

    plan = replace(FAST, canary_percent=percent, canary_rows=rows, later=phase)
    with telling.being_told(conn.layout.reports):
        folder = conn.layout.reports / time.strftime("canary-%Y%m%dT%H%M%S")
        story = Story(conn, plan, Narrator(), folder, load_settings().namespace)
        staged = steps.alias_version(story, "staging")
        if staged is None:
            raise RegistryError(f"no version of {MODEL} is @staging", next_command="./invoke train")
        _, _, verdict = renewing.run_canary(story, staged, f"canary {phase}", story.flights(phase), 0)
        if verdict.action is Action.PROMOTE:
            steps.move(story, staged, "production", f"The canary was judged: {verdict.why}")
        say(rollout.describe_traffic(rollout.act(story.services, MODEL, verdict)))
    return 0 if verdict.action is Action.PROMOTE else GateRefused.exit_code


def lineage(model: str = MODEL) -> None:
    """Print the chain of a model both ways."""
    from modelyard.registry.lineage import render_backward, render_forward, walk

    chain = walk(connected(), model)
    say("From the data to the endpoint")
    for line in render_forward(chain):
        say(f"  {line}")
    say("From the endpoint to the data")
    for line in render_backward(chain):
        say(f"  {line}")


def demo(*, fast: bool = False, pause: bool = False, only: str = "") -> int:
    """Tell the story, or one chapter of it."""
    from modelyard.story.telling import demo as tell

    return tell(load_settings(), fast=fast, pause=pause, only=only)
