"""The chapters of the story as data: what happens, why it matters, which DevOps habit it is, and what is claimed.

Everything that lists chapters is made from `CHAPTERS`: the task's help, the narration, the report and the tests.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from modelyard.errors import NameUnknown

if TYPE_CHECKING:
    from modelyard.story.claims import Finding
    from modelyard.story.context import Story


@dataclass(frozen=True)
class Chapter:
    """One chapter.

    Args:
        id: as it is given to `invoke demo --only`.
        told_by: "module:function" of a generator that takes the Story and yields its findings.
        look: (service, path) pairs whose addresses are worth a look.
        try_it: a command that shows what the chapter made; WORKSPACE stands for the workspace's path.
        claims: id -> sentence, in the order in which they are decided.
    """

    id: str
    title: str
    happens: str
    why: str
    habit: str
    look: tuple[tuple[str, str], ...]
    try_it: str
    told_by: str
    claims: Mapping[str, str]

    def command(self, workspace: object) -> str:
        """`try_it` as it can be typed, with the workspace's path."""
        return self.try_it.replace("WORKSPACE", shlex.quote(str(workspace)))

    def tell(self, story: Story) -> Iterator[Finding]:
        """Act, and yield each finding as soon as it is known."""
        module, function = self.told_by.split(":")
        found: Iterator[Finding] = getattr(import_module(module), function)(story)
        return found


CHAPTERS: tuple[Chapter, ...] = (
    Chapter(
        id="data",
        title="A data version",
        happens="The flights of January to March become version v1: DVC stores their bytes, Git their md5 and a tag.",
        why="A model can be explained only as far back as its data can be named; latest.csv names nothing.",
        habit="Version control, for bytes that are too large for Git.",
        look=(),
        try_it="git -C WORKSPACE log --oneline --decorate",
        told_by="modelyard.story.making:tell_data",
        claims={
            "data.versioned": "Data version v1 is a Git tag on a commit that names the data by its md5",
            "data.stored": "The object store holds bytes with exactly that md5",
            "data.rows": "v1 has the flights of January to March that have a known arrival",
        },
    ),
    Chapter(
        id="training",
        title="A training run",
        happens="`dvc repro` builds features, trains and evaluates; MLflow keeps what came of it.",
        why="A figure without its data, code and parameters cannot be reproduced, so it cannot be trusted.",
        habit="A build that can be repeated, with a log that says from what it was built.",
        look=(("mlflow", "/#/experiments"),),
        try_it="git -C WORKSPACE diff HEAD~1",
        told_by="modelyard.story.making:tell_training",
        claims={
            "training.traced": "The MLflow run names the md5 of the data version that it was trained on",
            "training.better_than_majority": "On held-out flights the model beats always saying the commonest class",
            "training.better_than_rule": "On held-out flights the model beats the rule 'departure delay less 8 min'",
            "training.harder_figure": "The figure on whole held-out days is logged beside it, and is lower",
        },
    ),
    Chapter(
        id="registry",
        title="Registry and gate",
        happens="The run's model becomes a version of `flights`; a gate measures it before it may be called staging.",
        why="The person who is proud of a model is the wrong one to decide whether it is good enough.",
        habit="Continuous integration: a candidate passes the same tests every time, or goes no further.",
        look=(("mlflow", "/#/models/flights"),),
        try_it="./invoke lineage flights",
        told_by="modelyard.story.making:tell_registry",
        claims={
            "registry.gate": "The gate lets the version pass: it loads, answers and is better than the baselines",
            "registry.staging": "The alias staging names that version",
        },
    ),
    Chapter(
        id="deployment",
        title="Promotion and deployment",
        happens="The alias production moves, an audit entry says why, and an InferenceService serves what it names.",
        why="What runs must be what was approved, and both must be written down in one place.",
        habit="Continuous delivery: a declared state, applied by machines, with an audit trail.",
        look=(("mlflow", "/#/models/flights"),),
        try_it="kubectl get inferenceservices",
        told_by="modelyard.story.making:tell_deployment",
        claims={
            "deployment.audit": "The promotion is written down: who, when, from what, to what, why",
            "deployment.ready": "The InferenceService is ready, and all traffic goes to the version in production",
            "deployment.answers": "The endpoint's answers are those of the registered model, to the last digit",
            "deployment.lineage": "From the endpoint the way leads back to the md5 of the data",
        },
    ),
    Chapter(
        id="scaling",
        title="Scaling under load",
        happens="Locust's users come and go at a small model of its own; replicas follow the requests under way.",
        why="Capacity that is set by hand is either paid for all night or missing at noon.",
        habit="Autoscaling by a signal of demand, tested by a load that is known.",
        look=(("prometheus", "/query?g0.expr=modelyard%3Areplicas_ready&g0.tab=0"),),
        try_it="./invoke load autoscale",
        told_by="modelyard.story.scaling:tell_scaling",
        claims={
            "scaling.up": "Replicas came with the requests: as many, and as soon, as the autoscaler's rules predict",
            "scaling.back": "They went again when the requests did",
            "scaling.answered": "No request failed while replicas came and went",
        },
    ),
    Chapter(
        id="sleeping",
        title="Sleep and waking",
        happens="Nobody asks, so no replica is left. Then five ask at once, and wait until one has started.",
        why="Most models are idle most of the time; one that sleeps costs nothing, if waking it loses nobody.",
        habit="Scale to zero, with a queue in front that turns a cold start into a wait and not into an error.",
        look=(("prometheus", "/query?g0.expr=modelyard%3Areplicas_ready&g0.tab=0"),),
        try_it="./invoke load zero",
        told_by="modelyard.story.scaling:tell_sleeping",
        claims={
            "sleeping.zero": "Without requests no replica was left, each time",
            "sleeping.answered": "No request failed, not the first ones that met no replica either",
            "sleeping.cold": "Whoever woke it waited seconds, not minutes",
        },
    ),
    Chapter(
        id="traffic",
        title="Ordinary traffic",
        happens="Locust sends flights of January to March that training never saw, as an airline would at push-back.",
        why="An alarm that cannot stay silent will be switched off; silence has to be proven first.",
        habit="Load tests and a baseline, before anybody is paged.",
        look=(
            ("prometheus", "/query?g0.expr=modelyard%3Adrift_distance%7Bcolumn%3D%22dewp%22%7D&g0.tab=0"),
            ("monitor", "/"),
        ),
        try_it="./invoke predict",
        told_by="modelyard.story.watching:tell_traffic",
        claims={
            "traffic.answered": "Every request was answered",
            "traffic.logged": "The monitor has every row that was answered, under the version in production",
            "traffic.quiet": "No alert fired, and the monitor had measured enough windows to know",
            "traffic.distance": "No column drifted in any window",
            "traffic.accuracy": "Accuracy on this traffic is what training promised",
        },
    ),
    Chapter(
        id="drift",
        title="Drift",
        happens="July: the air is humid as it never was in the training data. Inputs move first; truth comes later.",
        why="A model does not fail with an exception. It goes on answering, only wrongly.",
        habit="Monitoring and alerting on symptoms that somebody cares about.",
        look=(("prometheus", "/alerts"), ("alertmanager", "/#/alerts"), ("monitor", "/")),
        try_it="./invoke predict --phase july",
        told_by="modelyard.story.watching:tell_drift",
        claims={
            "drift.metrics": "The dew point is far from its reference in every window of July",
            "drift.alert": "InputDrift fired and reached the webhook, before any truth was known",
            "drift.accuracy": "When truth arrived, accuracy had fallen",
            "drift.early": "Early flights are no longer recognised",
            "drift.recall_alert": "ClassRecallLow fired for early flights and reached the webhook",
        },
    ),
    Chapter(
        id="retraining",
        title="Retraining",
        happens="May to July become version v2; the same pipeline trains on it, the same gate measures the result.",
        why="An answer to drift that needs a hero at night is no answer.",
        habit="The same pipeline for every release; nothing is done by hand because it is urgent.",
        look=(("mlflow", "/#/experiments"),),
        try_it="git -C WORKSPACE diff data-v1 data-v2",
        told_by="modelyard.story.renewing:tell_retraining",
        claims={
            "retraining.version": "Data version v2 has another md5 than v1, and its own tag",
            "retraining.traced": "The new run names the md5 of v2",
            "retraining.gate": "The gate lets the new version pass: on its held-out flights it beats production",
        },
    ),
    Chapter(
        id="canary",
        title="Canary",
        happens="August: a tenth of the traffic for a candidate with a unit mistake, then for the retrained one.",
        why="A gate can only test what it knows. The first candidate passes it, and would have cost every customer.",
        habit="Progressive delivery: a small blast radius, a measured verdict, an automatic way back.",
        look=(("prometheus", "/query?g0.expr=modelyard%3Atraffic_ratio&g0.tab=0"), ("monitor", "/")),
        try_it="kubectl get inferenceservice flights -o yaml",
        told_by="modelyard.story.renewing:tell_canary",
        claims={
            "canary.bad_passes_gate": "A model trained on hours where service sends minutes passes the gate",
            "canary.bad_refused": "The judge refuses it on what it answered to a tenth of the August flights",
            "canary.rolled_back": "All traffic is back on the version in production, which never moved",
            "canary.good_share": "The retrained version got about a tenth of the requests",
            "canary.good_judged": "The same judge lets the retrained version pass",
            "canary.answered": "No request failed while two canaries came and one went",
        },
    ),
    Chapter(
        id="promotion",
        title="Promotion",
        happens="The alias production moves to the retrained version; the canary's revision takes all of the traffic.",
        why="The revision that was judged has to be the one that stays: a fresh rollout would be an untested one.",
        habit="Promote the artifact that was tested; never rebuild it for production.",
        look=(("mlflow", "/#/models/flights"),),
        try_it="./invoke lineage flights",
        told_by="modelyard.story.renewing:tell_promotion",
        claims={
            "promotion.audit": "The promotion is written down, with the judge's figures as its reason",
            "promotion.same_revision": "The canary's own revision has all of the traffic, and no third one was made",
            "promotion.answered": "No request failed while the traffic moved",
        },
    ),
    Chapter(
        id="recovery",
        title="Recovery",
        happens="More August flights, now answered by the retrained version alone.",
        why="An incident is over when the alert resolves by itself and the new version has shown that it is healthy.",
        habit="Close the loop: verify the fix by the same signal that raised the alarm.",
        look=(("prometheus", "/alerts"), ("monitor", "/"), ("grafana", "/dashboards")),
        try_it="./invoke status",
        told_by="modelyard.story.renewing:tell_recovery",
        claims={
            "recovery.served": "Every row was answered, all of them by the retrained version",
            "recovery.resolved": "Every alert of the story is resolved, and the webhook was told so",
            "recovery.healthy": "The retrained version has reported at least three windows, all of them healthy",
            "recovery.early": "Early flights are recognised again",
            "recovery.lineage": "From the endpoint the way leads back to the md5 of v2",
        },
    ),
)
BY_ID = {chapter.id: chapter for chapter in CHAPTERS}


def find_chapter(name: str) -> Chapter:
    """The chapter of that id.

    Raises:
        NameUnknown: there is none; the message lists those that there are.
    """
    found = BY_ID.get(name)
    if found is None:
        raise NameUnknown(
            f"there is no chapter {name!r}", allowed=", ".join(BY_ID), next_command="./invoke demo --only traffic"
        )
    return found
