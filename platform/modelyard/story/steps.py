"""Steps that several chapters take, and the findings that they end in."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

from modelyard.kube import is_ready
from modelyard.rollout.canary import shares_of
from modelyard.story.claims import Finding
from modelyard.story.context import MODEL, Story

if TYPE_CHECKING:
    from modelyard.workspace import DataVersion

CHECKED_ROWS = 50


def add_data(story: Story, name: str) -> DataVersion:
    """Make or bring back a data version, and remember it."""
    with story.narrator.working(f"data version {name}"):
        version = story.workspace.add_data_version(name)
    story.narrator.say(f"{version.tag}: {version.rows} flights, md5 {version.md5}, commit {version.commit[:10]}")
    story.state.keep(**{f"data_{name}": {"md5": version.md5, "tag": version.tag, "commit": version.commit}})
    return version


def pointer_at(story: Story, tag: str) -> str:
    """The md5 that the tagged commit names."""
    import subprocess

    import yaml

    argv = ["git", "-C", str(story.workspace.folder), "show", f"{tag}:data/flights.parquet.dvc"]
    shown = subprocess.run(argv, capture_output=True, text=True, check=False)
    return str(yaml.safe_load(shown.stdout)["outs"][0]["md5"]) if shown.returncode == 0 else "no such tag"


def stored_md5(story: Story, address: str) -> str:
    """Md5 of the object at an `s3://` address, counted from its bytes."""
    import hashlib

    from modelyard.registry.mlflow_api import object_store

    try:
        content = object_store(story.conn).cat_file(address)
    except FileNotFoundError:
        return "there is no such object"
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def train(story: Story, name: str, params: dict[str, Any] | None = None) -> str:
    """Train on the data version that the workspace has; the run's id is returned."""
    with story.narrator.working(f"dvc repro on {name}"):
        run_id = story.workspace.train(params)
    story.narrator.say(f"run {run_id}")
    return run_id


def run_of(story: Story, run_id: str) -> Any:
    """The MLflow run."""
    from modelyard.registry.mlflow_api import mlflow_client, mlflow_errors

    with mlflow_errors(f"run {run_id} could not be read", next_command="./invoke status"):
        return mlflow_client(story.conn).get_run(run_id)


def traced(claim: str, story: Story, run: Any, md5: str) -> Finding:
    """Whether a run is finished and names its data by that md5."""
    digests = [used.dataset.digest for used in run.inputs.dataset_inputs]
    return Finding(
        claim,
        held=run.info.status == "FINISHED" and digests == [md5],
        value=digests[0] if digests else None,
        evidence={
            "run": run.info.run_id,
            "data md5": md5,
            "git commit": run.data.tags.get("git.commit"),
            "page": f"{story.conn.address('mlflow')}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}",
        },
        command=f"mlflow runs describe --run-id {run.info.run_id}",
    )


def register_and_judge(story: Story, run_id: str) -> tuple[Any, Any]:
    """Register a run's model, and ask the gate."""
    from modelyard.registry import register
    from modelyard.registry.gate import check

    with story.narrator.working("registering, and asking the gate"):
        version = register(story.conn, run_id, model=MODEL)
        verdict = check(story.conn, version)
    for line in verdict.lines():
        story.narrator.say(line)
    return version, verdict


def gated(claim: str, version: Any, verdict: Any) -> Finding:
    """What the gate said, check by check."""
    return Finding(
        claim,
        held=verdict.passed,
        value=f"version {version.version}, accuracy {verdict.evidence.candidate.accuracy:.3f}",
        evidence={check.name: check.seen for check in verdict.checks},
        command=f"./invoke lineage {MODEL}",
    )


def move(story: Story, version: str, alias: str, why: str) -> Any:
    """Move an alias; the audit entry is returned."""
    from modelyard.registry.promotion import promote

    entry = promote(story.conn, MODEL, version, alias, why)
    story.narrator.say(entry.line())
    return entry


def alias_version(story: Story, alias: str) -> str | None:
    """The version that an alias names now."""
    from modelyard.registry.mlflow_api import mlflow_client, mlflow_errors

    with mlflow_errors(f"aliases of {MODEL} could not be read", next_command="./invoke status"):
        found = mlflow_client(story.conn).get_registered_model(MODEL).aliases.get(alias)
    return str(found) if found else None


def audited(claim: str, story: Story, entry: Any, version: str) -> Finding:
    """Whether the registry, asked anew, has the entry whole, and the alias is where it says."""
    from modelyard.registry.promotion import history

    kept = entry in history(story.conn, MODEL)
    whole = all((entry.who, entry.when, entry.why)) and entry.to_version == version
    return Finding(
        claim,
        held=kept and whole and alias_version(story, entry.alias) == version,
        value=f"{entry.from_version or 'nothing'} -> {entry.to_version}",
        evidence={
            "who": f"{entry.who} ({entry.who_from})",
            "when": entry.when,
            "from": entry.from_version,
            "to": entry.to_version,
            "why": entry.why,
        },
        command=f"./invoke lineage {MODEL}",
    )


def deploy(story: Story, alias: str) -> dict[str, Any]:
    """Apply what an alias names, and wait until it is ready."""
    from modelyard.registry.deployment import manifest

    with story.narrator.working("InferenceService flights"):
        wanted = manifest(story.conn, MODEL, alias, name=story.name, namespace=story.namespace)
        applied = story.services.apply(wanted)
        held = story.services.wait_ready(story.name, generation=applied["metadata"]["generation"])
    story.narrator.say(f"ready at {held['status'].get('url')}")
    return held


def served(claim: str, story: Story, held: dict[str, Any], version: str) -> Finding:
    """Whether the InferenceService is ready and sends everything to one revision, of that version."""
    parts = shares_of(held)
    named = held["metadata"]["annotations"].get("modelyard.dev/model-version")
    return Finding(
        claim,
        held=is_ready(held) and list(parts.values()) == [100] and named == version,
        value=", ".join(f"{revision} {percent} %" for revision, percent in parts.items()),
        evidence={
            "model version": named,
            "digest": held["metadata"]["annotations"].get("modelyard.dev/model-digest"),
            "url": held.get("status", {}).get("url"),
        },
        command=f"kubectl get inferenceservice {story.name} -o yaml",
    )


def same_answers(claim: str, story: Story, version: str) -> Finding:
    """Whether the endpoint answers what the registered model answers, on flights that it never saw."""
    from modelyard.endpoint import predict

    with story.flights(story.plan.ordinary).open(encoding="utf-8") as lines:
        rows = [json.loads(line)["features"] for line in islice(lines, CHECKED_ROWS)]
    answered = predict(story.conn, story.name, rows, namespace=story.namespace)
    expected = story.score(version, rows)
    apart = max(
        abs(one["probabilities"].get(name, 0.0) - p)
        for one, other in zip(answered, expected, strict=True)
        for name, p in other["probabilities"].items()
    )
    return Finding(
        claim,
        held=apart < 1e-9,
        value=f"largest difference {apart:.1g}",
        evidence={"flights": len(rows), "version": version, "first answer": answered[0]["class"]},
        command="./invoke predict",
    )


def lineage(claim: str, story: Story, md5: str, version: str) -> Finding:
    """Whether the way back from the endpoint goes through that version alone, and ends at that md5."""
    from modelyard.registry.lineage import problems, render_backward, walk

    chain = walk(story.conn, MODEL)
    ours = [e for e in chain.endpoints or () if (e.namespace, e.name) == (story.namespace, story.name)]
    reached = [chain.version(revision.model_version) for endpoint in ours for revision in endpoint.revisions]
    found = [held.data_md5 if held else "unknown" for held in reached]
    return Finding(
        claim,
        held=found == [md5] and [held.version for held in reached if held] == [version] and not problems(chain),
        value=found[0] if found else None,
        evidence={"chain": render_backward(chain)},
        command=f"./invoke lineage {MODEL}",
    )
