import os
from pathlib import Path

from modelyard.connections import Connections
from modelyard.workspace.programs import program_environment
from modelyard.yard.credentials import Credentials
from modelyard.yard.layout import Layout

YARD = Connections(
    layout=Layout(Path("/yards/a b"), "0123456789abcdef"),
    name="a b",
    substrate="local",
    domain="localhost",
    kubeconfig=Path("/yards/a b/kubeconfig"),
    first_port=7600,
    credentials=Credentials("id", "secret", "token", "monitor", "path", "grafana"),
)


def environment(**inherited):
    return program_environment(YARD, YARD.layout.workspace, {"PATH": "/usr/bin", **inherited})


def test_inside_a_git_hook_the_workspaces_git_does_not_see_the_hooks_repository():
    held = environment(GIT_DIR="/elsewhere/.git", GIT_INDEX_FILE="/elsewhere/.git/index", GIT_AUTHOR_NAME="x")
    assert {name for name in held if name.startswith("GIT_")} == {
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_TERMINAL_PROMPT",
    }
    assert held["GIT_CONFIG_GLOBAL"] == os.devnull


def test_programs_find_the_yard_whatever_the_shell_said_before():
    held = environment(MLFLOW_TRACKING_URI="http://elsewhere", AWS_SECRET_ACCESS_KEY="mine")
    assert held["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:7602"
    assert held["AWS_ENDPOINT_URL"] == "http://127.0.0.1:7603"
    assert held["AWS_SECRET_ACCESS_KEY"] == "secret"


def test_training_uses_one_thread_and_sends_no_statistics():
    held = environment(OMP_NUM_THREADS="8")
    assert held["OMP_NUM_THREADS"] == "1"
    assert held["DVC_NO_ANALYTICS"] == "1"
    assert held["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_dvc_and_python_come_from_the_environment_that_runs_modelyard():
    import sys

    assert environment()["PATH"].split(os.pathsep) == [str(Path(sys.executable).parent), "/usr/bin"]
