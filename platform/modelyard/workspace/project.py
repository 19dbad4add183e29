"""The workspace: data versions, training and traffic, each a few commands of git, DVC and the sample model."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.connections import REPOSITORY, Connections
from modelyard.digest import model_digest
from modelyard.errors import DataVersionFixed, NameUnknown, ServiceUnreachable
from modelyard.workspace import params as parameters
from modelyard.workspace.lock import drop_stale_lock, hold_lock
from modelyard.workspace.programs import Say, program_environment, run_program, silent

if TYPE_CHECKING:
    import httpx

SAMPLE = REPOSITORY / "sample-model"
SOURCE = "modelyard.source"
MAIN, TRIAL = "main", "try/"
DATA, POINTER = "data/flights.parquet", "data/flights.parquet.dvc"
PHASES = ("heldout", "july", "august", "september")
LEFT_BEHIND = shutil.ignore_patterns(".cache", "__pycache__", "config.local", "tmp", "cache", "*.parquet", "*.part")


@dataclass(frozen=True)
class DataVersion:
    """A version of the data: months of flights under DVC, committed and tagged in the workspace, pushed to the store.

    Attributes:
        name: as in params.yaml, "v1".
        tag: git tag in the workspace, "data-v1".
        md5: of the data file, DVC's own.
        commit: git commit of the tag.
        remote_url: where the store keeps it, `s3://BUCKET/files/md5/..`.
        rows: flights in it, cancelled ones included.
        rows_with_truth: flights whose arrival is known.
    """

    name: str
    tag: str
    md5: str
    commit: str
    remote_url: str
    rows: int
    rows_with_truth: int


def ensure_workspace(conn: Connections, say: Say = silent) -> Workspace:
    """The yard's workspace, made from sample-model/ on first use; what a person changed in it stays.

    Raises:
        CommandFailed: git failed.
    """
    folder = conn.layout.workspace
    workspace = Workspace(conn, folder, say)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with hold_lock(folder.parent / ".workspace.lock", say):
        if folder.exists():
            workspace._tell_when_outdated()
        else:
            part = folder.with_name(f".workspace.{os.getpid()}.part")
            shutil.rmtree(part, ignore_errors=True)
            shutil.copytree(SAMPLE, part, ignore=LEFT_BEHIND)
            Workspace(conn, part)._begin_repository()
            part.rename(folder)
            say(f"workspace {folder}: a copy of sample-model/, with git and DVC of its own")
        workspace._point_at_store()
    return workspace


class Workspace:
    """Works in one workspace folder; made by `ensure_workspace`.

    Every method that changes something holds the workspace's lock, which the programs it starts inherit: when this
    process is killed, whoever comes next waits for what it had started.
    """

    def __init__(self, conn: Connections, folder: Path, say: Say = silent) -> None:
        self.conn = conn
        self.folder = folder
        self._say = say
        self._environment = program_environment(conn, folder, os.environ)
        self._held: tuple[int, ...] = ()

    def add_data_version(self, name: str) -> DataVersion:
        """Put a version's flights under DVC, commit, tag and push them; a version that exists is brought back.

        Raises:
            NameUnknown: params.yaml does not name the version.
            DataVersionFixed: its tag holds other data than the code now makes.
            CommandFailed: git or dvc failed.
        """
        with self._working():
            months = self._months(name)
            self._run("python", "flights.py", *map(str, months))
            md5 = file_md5(self.folder / DATA)
            tag = f"data-{name}"
            tagged = self._git("tag", "--list", tag) != ""
            if tagged:
                self._refuse_other_data(tag, md5)
            parameters.write(self.folder / "params.yaml", {"data.version": name})
            if md5 != self._pointer_md5():
                self._run("dvc", "add", "--quiet", DATA)
            self._commit(f"Data {name}: flights of months {', '.join(map(str, months))} of 2013")
            if not tagged:
                self._git("tag", "--annotate", tag, "--message", f"Data version {name}, md5 {md5}")
            self._run("dvc", "push", POINTER)
            commit = self._git("rev-list", "-n", "1", tag)
        rows, with_truth = _count_rows(self.folder / DATA)
        return DataVersion(name, tag, md5, commit, remote_url(self.folder, md5), rows, with_truth)

    def train(self, params: Mapping[str, Any] | None = None) -> str:
        """Run `dvc repro` and return the id of the MLflow run that belongs to the data, the code and the parameters.

        Unchanged inputs give the run that exists already. Changes that lie in the workspace are committed first, so
        that the run's git commit is what was trained.

        Args:
            params: values in place of those of params.yaml, as `{"features.dep_delay_unit": "hours"}` or nested. They
                are tried on a git branch of their own, `try/...`, and params.yaml of the branch before stays as it is.

        Raises:
            NameUnknown: params.yaml has no such parameter.
            CommandFailed: MLflow does not answer; git, dvc or the training failed.
        """
        changes = parameters.flatten(params or {})
        require_mlflow(self.conn)
        with self._working():
            self._commit("Changes of the workspace")
            if not changes:
                return self._reproduce()
            base = self._branch() or self._git("rev-parse", "HEAD")
            self._git("checkout", "--quiet", "-B", TRIAL + parameters.slug(changes))
            try:
                parameters.write(self.folder / "params.yaml", changes)
                self._commit("Try " + ", ".join(f"{name} = {value}" for name, value in changes.items()))
                return self._reproduce()
            finally:
                self._leave_trial(base)

    def traffic(self, phase: str, *, rows: int | None = None, seed: int = 0) -> Path:
        """A file of the flights of a phase in a random order, one JSON object a line.

        Lines are `{"id": int, "features": {15 columns}, "truth": class or null}`; a missing feature is null.

        Args:
            phase: heldout (the fifth of January to March that is never trained on), july, august or september.
            rows: at most so many; None for all of the phase.
            seed: of the order.

        Raises:
            NameUnknown: there is no such phase.
        """
        if phase not in PHASES:
            raise NameUnknown(
                f"traffic phase is {phase!r}",
                allowed=", ".join(PHASES),
                next_command="./invoke predict --phase july",
            )
        out = self.folder / ".cache" / "traffic" / f"{phase}-{rows or 'all'}-{seed}.ndjson"
        out.parent.mkdir(parents=True, exist_ok=True)
        with self._working():
            self._run("python", "replay.py", phase, str(rows or 0), str(seed), str(out))
        return out

    @contextmanager
    def _working(self) -> Iterator[None]:
        with hold_lock(self.folder.parent / ".workspace.lock", self._say) as descriptor:
            self._held = (descriptor,)
            try:
                drop_stale_lock(self.folder)
                if self._branch().startswith(TRIAL):  # a trial was killed
                    self._leave_trial(MAIN)
                yield
            finally:
                self._held = ()

    def _reproduce(self) -> str:
        self._run("dvc", "repro")
        run_id = self._run_id()
        if not is_finished_run(self.conn, run_id):
            # DVC looks at files only: unchanged inputs train nothing, though this MLflow may have lost their run.
            self._say(f"MLflow does not know run {run_id}: training again")
            self._run("dvc", "repro", "--force", "--no-run-cache", "--single-item", "train")
            run_id = self._run_id()
        self._commit(f"Run {run_id}")
        return run_id

    def _leave_trial(self, base: str) -> None:
        self._commit("What a stopped trial left")
        self._git("checkout", "--quiet", base)

    def _branch(self) -> str:
        """The branch that is checked out; "" where none is."""
        return self._git("branch", "--show-current")

    def _run_id(self) -> str:
        return json.loads((self.folder / "run.json").read_text("utf-8"))["run_id"]

    def _months(self, name: str) -> list[int]:
        known = parameters.read(self.folder / "params.yaml")["data"]["months"]
        if name not in known:
            raise NameUnknown(
                f"params.yaml of the workspace has no data version {name!r}",
                allowed=f"{', '.join(known)}, or one whose months you add there",
                next_command=f"${{EDITOR:-vi}} {shlex.quote(str(self.folder / 'params.yaml'))}",
            )
        return known[name]

    def _pointer_md5(self) -> str | None:
        try:
            return pointer_md5((self.folder / POINTER).read_text("utf-8"))
        except FileNotFoundError:
            return None

    def _refuse_other_data(self, tag: str, md5: str) -> None:
        before = pointer_md5(self._git("show", f"{tag}:{POINTER}"))
        if before != md5:
            raise DataVersionFixed(
                f"tag {tag} holds data with md5 {before}; the workspace's flights.py now makes {md5}",
                allowed="a version that stays as it was tagged; new data have a name of their own (data.months)",
                next_command=f"${{EDITOR:-vi}} {shlex.quote(str(self.folder / 'params.yaml'))}",
            )

    def _tell_when_outdated(self) -> None:
        if self._git("config", "--default", "", "--get", SOURCE) != sample_digest():
            self._say("sample-model/ has changed since this workspace was made from it: ./invoke reset makes it anew")

    def _begin_repository(self) -> None:
        self._git("init", "--quiet", "--initial-branch", MAIN, "--template", "")
        for name, value in {
            "user.name": "modelyard workspace",
            "user.email": "workspace@localhost",
            "commit.gpgSign": "false",
            "tag.gpgSign": "false",
            "core.hooksPath": os.devnull,
            "core.autocrlf": "false",
            SOURCE: sample_digest(),
        }.items():
            self._git("config", name, value)
        self._commit("The sample model as modelyard ships it")

    def _point_at_store(self) -> None:
        text = (
            f"[core]\n    site_cache_dir = {self.folder / '.cache' / 'dvc'}\n"
            f"['remote \"yard\"']\n    endpointurl = {self.conn.address('objectstore')}\n"
        )
        local = self.folder / ".dvc" / "config.local"
        if not local.exists() or local.read_text("utf-8") != text:
            local.write_text(text, "utf-8")

    def _commit(self, message: str) -> None:
        """Commit whatever has changed; nothing changed is no commit."""
        self._git("add", "--all")
        if self._git("status", "--porcelain"):
            self._git("commit", "--quiet", "--message", message)

    def _git(self, *arguments: str) -> str:
        return run_program(
            ["git", *arguments], cwd=self.folder, environment=self._environment, keep_open=self._held
        ).strip()

    def _run(self, *argv: str) -> str:
        self._say(f"$ {' '.join(argv)}")
        return run_program(argv, cwd=self.folder, environment=self._environment, say=self._say, keep_open=self._held)


def sample_digest() -> str:
    """Digest of sample-model/ as a workspace is made from it."""
    with tempfile.TemporaryDirectory(prefix="modelyard-sample-") as folder:
        return model_digest(shutil.copytree(SAMPLE, Path(folder) / "copy", ignore=LEFT_BEHIND))


def require_mlflow(conn: Connections) -> None:
    """Refuse to begin a training whose run could not be logged.

    Raises:
        CommandFailed: MLflow does not answer.
    """
    _ask_mlflow(conn, "/health", {})


def is_finished_run(conn: Connections, run_id: str) -> bool:
    """Whether MLflow has this run, whole and not deleted.

    Raises:
        CommandFailed: MLflow does not answer.
    """
    answer = _ask_mlflow(conn, "/api/2.0/mlflow/runs/get", {"run_id": run_id})
    if answer.status_code != 200:
        return False
    info = answer.json()["run"]["info"]
    return info["status"] == "FINISHED" and info["lifecycle_stage"] == "active"


def _ask_mlflow(conn: Connections, path: str, query: Mapping[str, str]) -> httpx.Response:
    import httpx

    address = conn.address("mlflow") + path
    try:
        return httpx.get(address, params=query, timeout=30, trust_env=False)
    except httpx.HTTPError as error:
        raise ServiceUnreachable(f"MLflow at {address} does not answer: {error}", next_command="./invoke up") from error


def pointer_md5(text: str) -> str:
    """The md5 that a .dvc file names."""
    import yaml

    return yaml.safe_load(text)["outs"][0]["md5"]


def remote_url(folder: Path, md5: str) -> str:
    """Where the project's DVC remote keeps a file with this md5 (layout of DVC 3)."""
    import configparser

    config = configparser.ConfigParser()
    config.read(folder / ".dvc" / "config", "utf-8")
    url = config["'remote \"yard\"'"]["url"]
    return f"{url}/files/md5/{md5[:2]}/{md5[2:]}"


def file_md5(path: Path) -> str:
    """Md5 (hex) of a file, as DVC counts it."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _count_rows(path: Path) -> tuple[int, int]:
    """Rows, and rows with a known arrival, of a data file."""
    import pyarrow.parquet

    arrivals = pyarrow.parquet.read_table(path, columns=["arr_delay"])["arr_delay"].combine_chunks()
    return len(arrivals), len(arrivals) - arrivals.null_count
