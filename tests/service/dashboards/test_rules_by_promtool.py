import subprocess

import pytest

from modelyard.connections import REPOSITORY
from modelyard.settings import load_settings
from modelyard.toolbox import Toolbox

RULES = REPOSITORY / "dashboards" / "rules"
SCENARIOS = sorted((RULES / "tests").glob("*.yml"))


@pytest.fixture(scope="module")
def promtool():
    program = Toolbox(load_settings().cache_dir).find("promtool")

    def run(*arguments):
        done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize("scenarios", SCENARIOS, ids=lambda path: path.stem)
def test_rules_do_what_their_scenarios_say(promtool, scenarios):
    assert "SUCCESS" in promtool("test", "rules", scenarios)


def test_prometheus_takes_the_rule_files(promtool):
    told = promtool("check", "rules", "--lint=all", "--lint-fatal", *sorted(RULES.glob("*.yml")))
    assert "FAILED" not in told


def test_every_series_that_an_alert_reads_has_a_scenario():
    told = " ".join(path.read_text("utf-8") for path in SCENARIOS)
    for alert in ("InputDrift", "ClassRecallLow", "RequestsStranded", "ReplicasCrashLooping", "ServiceDown"):
        assert f"alertname: {alert}" in told
