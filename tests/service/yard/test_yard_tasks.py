"""The tasks as a person types them, in a shell."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from modelyard.connections import REPOSITORY

PROGRAMS = Path(sys.prefix) / "bin"


@pytest.fixture
def shell(shared):
    """Runs a line of shell in the checkout, with the shared yard as the one that is meant."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("MODELYARD_", "AWS_", "MLFLOW_"))},
        "MODELYARD_NAME": shared.name,
        "MODELYARD_STATE_DIR": str(shared.state_dir),
        "PATH": f"/usr/bin:/bin:{PROGRAMS}",
    }

    def run(line, *, ok=True, **more):
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            cwd=REPOSITORY,
            env={**environment, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode == 0) is ok, done.stdout + done.stderr
        return done

    return run


def test_status_as_json_names_everything(up, shell):
    held = json.loads(shell("invoke status --json").stdout)
    assert {"kubeconfig", "gateway", "services", "inferenceservices"} <= held.keys()
    wanted = {"name", "ready", "optional", "pid", "address", "memory_bytes", "uptime_s"}
    wanted |= {"state", "restarts", "told", "log_line", "next_command", "log_tail"}
    wanted |= {"state", "restarts", "told", "log_line"}
    assert all(wanted <= service.keys() for service in held["services"])


def test_status_as_a_table_names_every_service_and_never_wraps_an_address(up, shell):
    told = shell("invoke status", COLUMNS="60").stdout
    assert up.address("mlflow") in told
    assert f"gateway {up.gateway}" in told


@pytest.mark.smoke
def test_exports_make_kubectl_mlflow_and_s3_just_work(up, shell):
    line = 'eval "$(invoke env)" && '
    kubectl = shell(line + "kubectl get isvc && kubectl config current-context")
    assert "No resources found" in kubectl.stderr
    assert kubectl.stdout.strip() == "modelyard-shared"
    assert "Default" in shell(line + "mlflow experiments search").stdout
    listing = "python -c \"import boto3; print([b['Name'] for b in boto3.client('s3').list_buckets()['Buckets']])\""
    assert shell(line + listing).stdout.strip() == "['dvc', 'mlflow']"


def test_exports_twice_do_not_grow(up, shell):
    done = shell(
        'eval "$(invoke env)" && once=$PATH:$NO_PROXY && eval "$(invoke env)" && [ "$once" = "$PATH:$NO_PROXY" ]'
    )
    assert done.stderr == ""


def test_up_says_where_things_are_and_ends_with_lines_to_paste(up, shell):
    lines = shell("invoke up").stdout.splitlines()
    after = lines[lines.index("Next, to paste:") + 1 :]
    assert [line.strip() for line in after] == [
        "./invoke demo",
        'eval "$(./invoke env)"',
        "kubectl get isvc",
        "./invoke open",
    ]


def test_the_plan_of_a_yard_that_is_up_keeps_everything(up, shell):
    assert {line.split()[0] for line in shell("invoke up --plan").stdout.splitlines()} == {"keep"}


def test_logs_of_one_service_and_of_one_that_is_not_there(up, shell):
    assert "NOTICE" in shell("invoke logs objectstore").stdout
    done = shell("invoke logs mlfow", ok=False)
    assert done.stderr.startswith("error: there is no log of 'mlfow'\n  allowed: activator, alertmanager, ")


def test_open_prints_addresses_where_there_is_no_browser(up, shell):
    told = shell("invoke open", DISPLAY="", WAYLAND_DISPLAY="").stdout
    assert up.address("mlflow") in told
    assert "objectstore" not in told


def test_reset_without_a_yes_changes_nothing(up, shell):
    done = shell("invoke reset", ok=False)
    assert "reset: nothing was changed" in done.stdout
    assert up.layout.record.exists()


def test_a_task_that_needs_a_yard_says_how_to_make_one(shell):
    for task in ("status", "env", "open", "logs"):
        done = shell(f"invoke {task}", ok=False, MODELYARD_NAME="none")
        assert done.stderr.startswith("error: there is no yard in ")
        assert done.stderr.endswith("  next: ./invoke up\n")


def test_a_setting_that_is_not_allowed_is_told_in_lines(shell):
    done = shell("invoke up", ok=False, MODELYARD_NAME="Not A Name")
    assert "MODELYARD_NAME is 'Not A Name'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_kubeconfig_is_for_this_user_only(up):
    assert stat.S_IMODE(up.kubeconfig.stat().st_mode) == 0o600
