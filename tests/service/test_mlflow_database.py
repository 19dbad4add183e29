"""MLflow's database is whole or not there, whenever its server was killed."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from modelyard.services.mlflow_database import ensure_database, find_database, holds_nothing
from modelyard.waiting import wait_until

pytestmark = pytest.mark.filterwarnings("ignore")
"""MLflow's tables warn of what their library will drop."""


def tables(path):
    with closing(sqlite3.connect(path)) as db:
        return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def is_accepted(path):
    """MLflow's own questions before it serves: every table is there, and of the newest schema."""
    import sqlalchemy
    from mlflow.store.db import utils

    engine = sqlalchemy.create_engine(f"sqlite:///{path}", poolclass=sqlalchemy.pool.NullPool)
    utils._verify_schema(engine)
    return utils._all_tables_exist(engine)


def test_a_database_is_made_that_mlflow_accepts_and_one_with_runs_is_left_alone(tmp_path):
    path = tmp_path / "mlflow.db"
    assert ensure_database(path)
    assert is_accepted(path)
    assert [held.name for held in tmp_path.iterdir()] == ["mlflow.db"]
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT INTO experiments (experiment_id, name, lifecycle_stage) VALUES (0, 'Default', 'active')")
    before = path.read_bytes()
    assert not ensure_database(path)
    assert path.read_bytes() == before


def test_one_that_a_killed_server_left_half_made_is_made_anew(tmp_path):
    import sqlalchemy
    from mlflow.store.db.base_sql_model import Base
    from mlflow.store.tracking.dbmodels.initial_models import Base as InitialBase

    path = tmp_path / "mlflow.db"
    engine = sqlalchemy.create_engine(f"sqlite:///{path}", poolclass=sqlalchemy.pool.NullPool)
    InitialBase.metadata.create_all(engine)  # MLflow's first step, after which it was killed
    assert holds_nothing(path)
    assert not tables(path) >= set(Base.metadata.tables)
    assert ensure_database(path)
    assert is_accepted(path)


def test_a_process_that_is_killed_while_it_makes_one_leaves_none_behind(tmp_path):
    path, part = tmp_path / "mlflow.db", tmp_path / ".mlflow.db.part"
    code = (
        "import sys, pathlib; from modelyard.services.mlflow_database import ensure_database; "
        "ensure_database(pathlib.Path(sys.argv[1]))"
    )
    making = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: part.exists() or making.poll() is not None, what="the part", deadline_s=120, interval_s=0.002)
    os.kill(making.pid, signal.SIGKILL)
    making.wait()
    assert not path.exists()
    assert ensure_database(path)
    assert is_accepted(path)


def test_a_damaged_file_is_not_thrown_away(tmp_path):
    path = tmp_path / "mlflow.db"
    path.write_bytes(b"no database at all" * 100)
    assert not ensure_database(path)
    assert path.read_bytes().startswith(b"no database")


@pytest.mark.parametrize(
    ("argv", "found"),
    [
        (["--port", "1", "--backend-store-uri", "sqlite:////yard/mlflow.db", "--workers", "1"], "/yard/mlflow.db"),
        (["--backend-store-uri", "postgresql://u@h/db"], None),
        (["--backend-store-uri"], None),
    ],
)
def test_the_file_is_the_one_that_the_server_is_told(argv, found):
    assert find_database(argv) == (found and Path(found))
