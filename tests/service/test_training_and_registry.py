"""Data versions, training and registry against a real MLflow server, a real object store, real git and real DVC.

One yard for the module; the tests read from top to bottom as its story and stand on what the fixtures made.
"""

import hashlib
import json
import math
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml
from claimed_ports import claim_block

from modelyard.connections import REPOSITORY, connect
from modelyard.digest import model_digest
from modelyard.errors import CommandFailed, GateRefused, ServiceUnreachable, YardError
from modelyard.registry import find_version, gate, register
from modelyard.registry.deployment import manifest
from modelyard.registry.mlflow_api import mlflow_client, object_store
from modelyard.registry.promotion import AUDIT_PREFIX, history, promote
from modelyard.registry.scoring import score
from modelyard.waiting import wait_until
from modelyard.workspace import ensure_workspace
from modelyard.yard.record import new_record, write_record

BIN = Path(sys.executable).parent
BAD = {"features.dep_delay_unit": "hours"}
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"
)


@contextmanager
def running(argv, log, **environment):
    with log.open("w") as out:
        process = subprocess.Popen(argv, stdout=out, stderr=out, env=os.environ | environment)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A person's home whose git signs every commit with a key that is not there and runs a hook that refuses."""
    folder = tmp_path_factory.mktemp("home")
    hook = folder / "hooks" / "pre-commit"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    (folder / ".gitconfig").write_text(
        f"[user]\nemail = ana@example.org\nsigningKey = 0xDEAD\n[commit]\ngpgSign = true\n[tag]\ngpgSign = true\n"
        f'[core]\nhooksPath = "{hook.parent}"\n[gpg]\nprogram = /bin/false\n'
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        patch.delenv("GIT_CONFIG_GLOBAL", raising=False)
        yield folder


@pytest.fixture(scope="module")
def conn(home, tmp_path_factory):
    folder = tmp_path_factory.mktemp("a yard")
    first = claim_block()
    write_record(folder / "yard.json", new_record(substrate="local", ports=first, python="3", lock=""))
    conn = connect(folder)
    store, base = conn.layout.data("objectstore"), conn.layout.data("mlflow")
    for bucket in (store / "mlflow", store / "dvc", base):
        bucket.mkdir(parents=True)
    keys = f'"{conn.credentials.s3_key_id},{conn.credentials.s3_secret}"'
    rclone = [BIN / "rclone", "serve", "s3", "--addr", f"127.0.0.1:{first + 3}", "--config", "/dev/null"]
    mlflow = [BIN / "mlflow", "server", "--port", str(first + 2), "--workers", "1"]
    mlflow += ["--backend-store-uri", f"sqlite:///{base}/mlflow.db", "--artifacts-destination", "s3://mlflow"]
    with (
        running([*rclone, "--vfs-cache-mode", "off", store], folder / "rclone.log", RCLONE_AUTH_KEY=keys),
        running(mlflow, folder / "mlflow.log", MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false", **conn.environment()),
    ):
        wait_until(lambda: healthy(conn), what="MLflow", deadline_s=120)
        yield conn


def healthy(conn):
    try:
        return httpx.get(f"{conn.address('mlflow')}/health", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="module")
def told():
    """Lines of progress, as a person sees them."""
    return []


@pytest.fixture(scope="module")
def workspace(conn, told):
    return ensure_workspace(conn, told.append)


@pytest.fixture(scope="module")
def v1_data(workspace):
    return workspace.add_data_version("v1")


@pytest.fixture(scope="module")
def v1_run(v1_data, workspace):
    return workspace.train()


@pytest.fixture(scope="module")
def v1(conn, v1_run):
    version = register(conn, v1_run)
    assert gate.check(conn, version).passed
    promote(conn, "flights", version.version, "production", "the first one")
    return version


@pytest.fixture(scope="module")
def v2(conn, v1, workspace):
    workspace.add_data_version("v2")
    return register(conn, workspace.train())


def git(workspace, *arguments):
    asked = subprocess.run(["git", *arguments], cwd=workspace.folder, capture_output=True, text=True, check=True)
    return asked.stdout.strip()


def test_a_data_version_has_dvcs_md5_a_tag_and_its_bytes_in_the_store(conn, workspace, v1_data):
    pointer = git(workspace, "show", "data-v1:data/flights.parquet.dvc")
    assert re.search(r"md5: (\w{32})", pointer)[1] == v1_data.md5
    stored = object_store(conn).cat_file(v1_data.remote_url)
    assert hashlib.md5(stored).hexdigest() == v1_data.md5
    assert (v1_data.rows, v1_data.rows_with_truth) == (80_789, 77_911)
    assert git(workspace, "rev-list", "-n1", "data-v1") == v1_data.commit


def test_a_version_that_exists_is_brought_back_as_it_was(workspace, v1_data):
    commits = git(workspace, "rev-list", "--count", "HEAD")
    assert workspace.add_data_version("v1") == v1_data
    assert git(workspace, "rev-list", "--count", "HEAD") == commits


def test_a_version_that_nobody_defined_is_refused(workspace):
    with pytest.raises(YardError) as refused:
        workspace.add_data_version("v9")
    assert refused.value.allowed.startswith("v1, v2")


def test_the_workspaces_commits_are_its_own_whatever_the_person_configured(workspace, v1_run):
    assert set(git(workspace, "log", "--format=%ae %G?").splitlines()) == {"workspace@localhost N"}
    assert git(workspace, "status", "--porcelain") == ""


def test_progress_is_told_command_by_command(told, v1_run):
    commands = [line for line in told if line.startswith("$ ")]
    assert commands[0] == "$ python flights.py 1 2 3"
    assert "$ dvc repro" in commands
    assert any("accuracy" in line for line in told)


def test_a_run_tells_parameters_data_and_commit(conn, workspace, v1_run, v1_data):
    run = mlflow_client(conn).get_run(v1_run)
    assert run.info.status == "FINISHED"
    assert run.data.params["model.max_iter"] == "60"
    assert run.data.params["data.months"] == "[1, 2, 3]"
    assert run.data.tags["git.commit"] == v1_data.commit
    dataset = run.inputs.dataset_inputs[0]
    assert (dataset.dataset.name, dataset.dataset.digest) == ("flights-v1", v1_data.md5)
    assert json.loads(dataset.dataset.source)["uri"] == v1_data.remote_url
    assert json.loads(dataset.dataset.profile)["num_rows"] == 77_911 - 15_589
    assert {tag.key: tag.value for tag in dataset.tags}["data.md5"] == v1_data.md5


def test_a_runs_figures_are_those_that_were_measured_before(conn, v1_run):
    figures = mlflow_client(conn).get_run(v1_run).data.metrics
    # One of three splits whose mean and half range are .679 +- .003, .703 +- .003 and .530 +- .014.
    assert figures["accuracy"] == pytest.approx(0.679, abs=0.005)
    assert figures["macro_f1"] == pytest.approx(0.687, abs=0.001)
    assert figures["log_loss"] == pytest.approx(0.703, abs=0.005)
    assert figures["recall_early"] == pytest.approx(0.530, abs=0.02)
    assert figures["baseline_rule_accuracy"] == pytest.approx(0.606, abs=0.007)
    assert figures["baseline_majority_accuracy"] == pytest.approx(0.484, abs=0.007)
    assert figures["days_accuracy"] == pytest.approx(0.643, abs=0.012)


def test_a_run_keeps_evidence_code_and_the_monitors_reference(conn, v1_run, tmp_path):
    import pyarrow.parquet

    client = mlflow_client(conn)
    folder = Path(client.download_artifacts(v1_run, "", str(tmp_path)))
    assert (folder / "evaluation/confusion_matrix.png").read_bytes().startswith(b"\x89PNG")
    counts = json.loads((folder / "evaluation/confusion_matrix.json").read_text())["counts"]
    assert sum(map(sum, counts)) == 15_589
    assert sum(counts[i][i] for i in range(4)) / 15_589 == client.get_run(v1_run).data.metrics["accuracy"]
    settings = json.loads((folder / "monitoring/monitoring.json").read_text())
    reference = pyarrow.parquet.read_table(folder / "monitoring/reference.parquet")
    columns = settings["columns"]["categorical"] + settings["columns"]["numerical"]
    assert reference.num_rows == 5_000
    assert reference.column_names == [*columns, "prediction", "truth"]
    assert set(reference["prediction"].to_pylist()) == set(settings["classes"])
    assert settings["quality"] == {"window_rows": 1000, "recall_below": {"early": 0.42}, "in_a_row": 2}
    assert settings["drift"]["num_threshold"] == 1.5


def test_the_signature_takes_three_strings_and_twelve_doubles_and_gives_one_a_class(conn, v1):
    from mlflow.models import Model

    written = object_store(conn).cat_file(f"{v1.storage_uri}/MLmodel").decode()
    signature = Model.from_dict(yaml.safe_load(written)).signature
    assert [column.type.name for column in signature.inputs] == ["string"] * 3 + ["double"] * 12
    assert [(column.name, column.type.name) for column in signature.outputs] == [
        (name, "double") for name in ("early", "late", "on_time", "very_late")
    ]


def test_unchanged_inputs_train_nothing(workspace, v1_run, v2):
    before = workspace.train()
    assert workspace.train() == before


def test_a_run_that_mlflow_has_lost_is_trained_again(conn, workspace, v2):
    lost = workspace.train()
    mlflow_client(conn).delete_run(lost)
    again = workspace.train()
    assert again != lost
    assert mlflow_client(conn).get_run(again).info.status == "FINISHED"
    mlflow_client(conn).restore_run(lost)


def test_registering_twice_gives_one_version(conn, v1_run, v1):
    assert register(conn, v1_run).version == v1.version


def test_the_digest_is_that_of_the_files_as_mlflow_itself_downloads_them(conn, v1, tmp_path, monkeypatch):
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", conn.address("mlflow"))
    folder = mlflow.artifacts.download_artifacts(f"models:/flights/{v1.version}", dst_path=str(tmp_path))
    assert model_digest(Path(folder)) == v1.digest


def test_the_gate_compares_on_the_candidates_own_held_out_flights(conn, v2):
    verdict = gate.check(conn, v2)
    logged = mlflow_client(conn).get_run(v2.run_id).data.metrics
    mine, production = verdict.evidence.candidate, verdict.evidence.production
    assert verdict.passed
    assert (mine.rows, production.rows) == (16_693, 16_693)
    assert mine.accuracy == pytest.approx(logged["accuracy"], abs=1e-12)
    assert mine.log_loss == pytest.approx(logged["log_loss"], abs=1e-9)
    assert verdict.evidence.rule_accuracy == pytest.approx(logged["baseline_rule_accuracy"], abs=1e-12)
    assert verdict.evidence.majority_accuracy == pytest.approx(logged["baseline_majority_accuracy"], abs=1e-12)
    assert production.accuracy < 0.63  # winter's model on summer's flights
    assert find_version(conn, "flights", v2.version).gate == "passed"


def test_a_worse_candidate_is_refused_and_gets_no_alias(conn, workspace, v2):
    weak = register(conn, workspace.train({"model.max_iter": 1}))
    verdict = gate.check(conn, weak)
    assert not verdict.passed
    assert any(line.startswith("NO") for line in verdict.lines())
    with pytest.raises(GateRefused):
        promote(conn, "flights", weak.version, "staging", "let me")
    assert git(workspace, "show", "HEAD:params.yaml").count("max_iter: 60") == 1


@pytest.fixture(scope="module")
def bad(conn, v2, workspace):
    return register(conn, workspace.train(BAD))


def test_hours_for_minutes_pass_the_gate_and_are_bad_in_service(conn, workspace, v1, v2, bad):
    assert gate.check(conn, bad).passed
    lines = [json.loads(line) for line in workspace.traffic("august", rows=3_000, seed=1).read_text().splitlines()]
    known = [line for line in lines if line["truth"]]
    accuracy = {
        version.version: sum(
            answer["class"] == line["truth"]
            for answer, line in zip(score(conn, version, [line["features"] for line in known]), known, strict=True)
        )
        / len(known)
        for version in (v1, v2, bad)
    }
    spread = 3 * math.sqrt(0.63 * 0.37 / len(known))  # three standard deviations of a share of 3,000
    assert accuracy[v2.version] == pytest.approx(0.630, abs=spread)
    assert accuracy[v1.version] == pytest.approx(0.598, abs=spread)
    assert accuracy[bad.version] < 0.45


def test_a_trial_lives_on_a_branch_of_its_own(workspace, bad):
    assert git(workspace, "branch", "--show-current") == "main"
    assert "dep_delay_unit: hours" in git(workspace, "show", "try/dep-delay-unit-hours:params.yaml")
    assert "dep_delay_unit: minutes" in (workspace.folder / "params.yaml").read_text()
    assert git(workspace, "status", "--porcelain") == ""


KILLED = """
import os, sys
from pathlib import Path
from modelyard.connections import connect
from modelyard.workspace import ensure_workspace

def say(line):
    if "Running stage 'train'" in line:
        os.kill(os.getpid(), 9)

ensure_workspace(connect(Path(sys.argv[1])), say).train({"model.max_iter": 2})
"""


def test_a_trial_that_was_killed_leaves_nothing_behind(conn, workspace, v2):
    run = workspace.train()
    killed = subprocess.run([sys.executable, "-c", KILLED, str(conn.layout.folder)], check=False)
    assert killed.returncode == -9
    (workspace.folder / ".git" / "index.lock").touch()  # a git was killed too
    assert workspace.train() == run
    assert git(workspace, "branch", "--show-current") == "main"
    assert git(workspace, "status", "--porcelain") == ""
    assert "max_iter: 2\n" in git(workspace, "show", "try/max-iter-2:params.yaml")


def test_a_git_that_waits_for_its_editor_keeps_its_lock(workspace, v2):
    lock = workspace.folder / ".git" / "index.lock"
    waits = subprocess.Popen(["git", "cat-file", "--batch"], cwd=workspace.folder, stdin=subprocess.PIPE)
    lock.touch()
    try:
        with pytest.raises(CommandFailed) as refused:
            workspace.train()
        assert "index.lock" in refused.value.detail
    finally:
        waits.communicate()
        lock.unlink()


def test_traffic_is_shuffled_whole_and_the_same_for_the_same_seed(workspace):
    first = workspace.traffic("july", seed=1).read_text()
    rows = [json.loads(line) for line in first.splitlines()]
    assert len({row["id"] for row in rows}) == len(rows)
    assert sum(row["truth"] is not None for row in rows) == 28_293
    assert sum(row["truth"] is None for row in rows) == len(rows) - 28_293 > 0
    assert [row["id"] for row in rows] != sorted(row["id"] for row in rows)
    assert workspace.traffic("july", rows=500, seed=1).read_text().splitlines() == first.splitlines()[:500]
    assert workspace.traffic("july", rows=500, seed=2).read_text().splitlines() != first.splitlines()[:500]
    assert any(value is None for row in rows for value in row["features"].values())
    assert "NaN" not in first


def test_a_phase_that_there_is_not_is_refused(workspace):
    with pytest.raises(YardError) as refused:
        workspace.traffic("october", rows=1, seed=0)
    assert "july" in refused.value.allowed


def test_promotion_is_written_down_once_and_seen_in_mlflow(conn, v1, v2):
    gate.check(conn, v2)
    before = history(conn, "flights")
    entry = promote(conn, "flights", v2.version, "production", "wins in August")
    assert promote(conn, "flights", v2.version, "production", "again") == entry
    assert (entry.from_version, entry.to_version, entry.why) == (v1.version, v2.version, "wins in August")
    assert (entry.who, entry.who_from) == ("ana@example.org", "git e-mail, claimed")
    assert history(conn, "flights") == [*before, entry]
    assert find_version(conn, "flights", "@production").version == v2.version
    tags = mlflow_client(conn).get_registered_model("flights").tags
    assert sum(name.startswith(AUDIT_PREFIX) for name in tags) == len(before) + 1
    promote(conn, "flights", v1.version, "production", "back")
    assert [(held.from_version, held.to_version) for held in history(conn, "flights")][-2:] == [
        (v1.version, v2.version),
        (v2.version, v1.version),
    ]


def test_a_promotion_without_reason_or_with_a_strange_alias_is_refused(conn, v1):
    with pytest.raises(YardError, match="needs a reason"):
        promote(conn, "flights", v1.version, "production", " ")
    with pytest.raises(YardError) as refused:
        promote(conn, "flights", v1.version, "champion", "why not")
    assert refused.value.allowed == "staging, production"


def test_an_alias_that_nobody_set_is_told(conn, v1):
    with pytest.raises(YardError, match="no version or alias 'nobody'"):
        manifest(conn, "flights", "@nobody")


def test_the_manifest_names_what_the_alias_names(conn, v1):
    promote(conn, "flights", v1.version, "production", "for the manifest")
    held = manifest(conn, "flights", "@production", canary_percent=10)
    assert held["spec"]["predictor"]["model"]["storageUri"] == v1.storage_uri
    assert held["spec"]["predictor"]["logger"]["url"] == conn.logger_url
    assert held["metadata"]["annotations"]["modelyard.dev/model-digest"] == v1.digest
    assert object_store(conn).exists(f"{v1.storage_uri}/MLmodel")


def test_a_model_whose_files_were_changed_after_registration_is_not_asked(conn, workspace, v2):
    from modelyard.registry import scoring

    path = f"{v2.storage_uri}/requirements.txt"
    store = object_store(conn)
    before = store.cat_file(path)
    store.pipe_file(path, before + b"# one more line\n")
    scoring._load.cache_clear()
    with pytest.raises(YardError, match="was registered"):
        score(conn, v2, [{}])
    store.pipe_file(path, before)
    assert score(conn, v2, [{}])[0]["class"] in {"early", "on_time", "late", "very_late"}


def test_training_without_mlflow_is_refused_at_once(workspace, conn, monkeypatch):
    from dataclasses import replace

    monkeypatch.setattr(workspace, "conn", replace(conn, first_port=9))
    with pytest.raises(ServiceUnreachable, match=r"MLflow at .* does not answer"):
        workspace.train()


def test_a_registry_that_does_not_answer_is_not_a_missing_version(conn):
    from dataclasses import replace

    with pytest.raises(YardError, match="MLflow does not answer") as refused:
        find_version(replace(conn, first_port=9), "flights", "1")
    assert refused.value.next_command == "./invoke why mlflow"


def test_a_failing_script_shows_its_last_lines_and_a_command_to_paste(workspace, v2):
    script = workspace.folder / "replay.py"
    text = script.read_text()
    script.write_text("raise SystemExit('the replay is broken')\n")
    try:
        with pytest.raises(CommandFailed) as failed:
            workspace.traffic("july", rows=1)
    finally:
        script.write_text(text)
    assert "python replay.py july 1 0" in failed.value.what
    assert "the replay is broken" in failed.value.detail


def test_the_readmes_commands_do_what_the_workspace_does(conn, workspace, v1_data, tmp_path):
    text = (REPOSITORY / "sample-model" / "README.md").read_text("utf-8")
    block = re.search(r"```sh\n(.*?)```", text, re.DOTALL)[1]
    begins, commands = block.split("\n", 1)
    assert begins == 'eval "$(./invoke env)" && cd "$MODELYARD_FOLDER/workspace"'
    own = tmp_path / "a workspace"
    git(workspace, "clone", "--quiet", "--branch", "main", str(workspace.folder), str(own))
    first = git(workspace, "rev-list", "--max-parents=0", "HEAD")
    for arguments in (["checkout", "-q", "-B", "main", first], ["tag", "-d", *git(workspace, "tag").split()]):
        subprocess.run(["git", *arguments], cwd=own, check=True, capture_output=True)
    (own / ".dvc/config.local").write_text((workspace.folder / ".dvc/config.local").read_text())
    environment = os.environ | conn.environment() | {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b"}
    environment |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    ran = subprocess.run(["sh", "-ec", commands], cwd=own, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert v1_data.md5 in (own / "data/flights.parquet.dvc").read_text()
    assert "accuracy" in ran.stdout


def test_the_persons_home_and_the_checkout_are_as_they_were(workspace, home, v2):
    assert {path.name for path in home.iterdir()} == {".gitconfig", "hooks"}
    asked = ["git", "status", "--porcelain", "--ignored", "--", "sample-model"]
    held = subprocess.run(asked, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    assert not [line for line in held.splitlines() if re.search(r"parquet|dvc|run\.json|metrics\.json|\.cache", line)]
