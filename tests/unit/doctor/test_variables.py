"""Variables that would mislead."""

import pytest

from modelyard.doctor.system import System
from modelyard.doctor.variables import Variables, decide_variables

SETTINGS = frozenset({"MODELYARD_PORTS", "MODELYARD_NAME", "MODELYARD_STATE_DIR"})
YARD = {"KUBECONFIG": "/yard/kubeconfig", "MLFLOW_TRACKING_URI": "http://127.0.0.1:7602"}


def decide(environ, **more):
    return decide_variables(Variables(environ, SETTINGS, **more), System())


def only(findings):
    (finding,) = findings
    return finding


def test_a_misspelt_setting_names_the_one_that_was_meant_and_keeps_its_value():
    finding = only(decide({"MODELYARD_PORT": "7700"}))
    assert finding.state == "warning"
    assert finding.next_command == "export MODELYARD_PORTS=7700; unset MODELYARD_PORT"


def test_a_setting_that_resembles_none_is_unset():
    assert only(decide({"MODELYARD_XYZZY": "1"})).next_command == "unset MODELYARD_XYZZY"


def test_settings_and_the_marks_of_a_yard_s_own_processes_are_known():
    assert only(decide({"MODELYARD_PORTS": "auto", "MODELYARD_YARD": "x", "MODELYARD_VENV": "/v"})).state == "ok"


@pytest.mark.parametrize(
    ("name", "state"), [("PYTHONHOME", "problem"), ("PYTHONPATH", "warning"), ("LD_PRELOAD", "warning")]
)
def test_variables_that_change_every_program(name, state):
    finding = only(decide({name: "/opt/x"}))
    assert (finding.state, finding.next_command) == (state, f"unset {name}")


def test_an_empty_variable_misleads_nobody():
    assert only(decide({"PYTHONPATH": "", "KUBECONFIG": ""}, yard=YARD)).state == "ok"


def test_certificates_that_are_not_there_break_every_connection():
    finding = only(decide({"SSL_CERT_FILE": "/gone.pem"}, absent=frozenset({"/gone.pem"})))
    assert finding.state == "problem"
    assert only(decide({"SSL_CERT_FILE": "/there.pem"})).state == "ok"


def test_a_kubeconfig_of_another_cluster_is_told_before_somebody_deletes_there():
    finding = only(decide({"KUBECONFIG": "/home/ann/.kube/production"}, yard=YARD))
    assert finding.state == "warning"
    assert finding.next_command == 'eval "$(./invoke env)"'


def test_a_folder_of_another_yard_from_an_earlier_shell_is_unset():
    yard = {**YARD, "MODELYARD_FOLDER": "/y/this"}
    assert only(decide({"MODELYARD_FOLDER": "/y/other"}, yard=yard)).next_command == "unset MODELYARD_FOLDER"
    assert only(decide({"MODELYARD_FOLDER": "/y/this"}, yard=yard)).state == "ok"


def test_the_yard_s_own_addresses_are_fine_and_so_are_any_where_there_is_no_yard():
    assert only(decide(dict(YARD), yard=YARD)).state == "ok"
    assert only(decide({"KUBECONFIG": "/home/ann/.kube/production"})).state == "ok"
