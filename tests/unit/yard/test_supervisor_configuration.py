"""The supervisor's configuration is read back by supervisor's own parser."""

import json
import shlex
import stat

import pytest
from supervisor.options import ServerOptions

from modelyard.connections import connect
from modelyard.services.service import Process, Service
from modelyard.settings import Settings
from modelyard.yard import supervision
from modelyard.yard.record import new_record, write_private, write_record


def nothing(conn):
    """No probe."""


SERVICE = Service("objectstore", "store", ("objectstore",), lambda context: Process(()), nothing)


@pytest.fixture
def conn(tmp_path):
    folder = tmp_path / "100% of Ann's yards"
    write_record(folder / "yard.json", new_record(substrate="local", ports=7600, python="3.12", lock=""))
    held = connect(folder, Settings())
    for place in (held.layout.logs, held.layout.runtime):
        place.mkdir(parents=True)
    yield held
    held.layout.runtime.rmdir()


def read_back(conn, text):
    path = conn.layout.config / "supervisord.conf"
    write_private(path, text)
    options = ServerOptions()
    options.realize(["-c", str(path)])
    return options


def program_of(options, name):
    return next(held for group in options.process_group_configs for held in group.process_configs if held.name == name)


def test_a_folder_with_spaces_quotes_and_percent_signs_reads_back(conn):
    options = read_back(conn, supervision.render_configuration(conn, Settings(), {"objectstore": "d1"}))
    assert options.logfile == str(conn.layout.log("supervisor"))
    program = program_of(options, "objectstore")
    words = shlex.split(program.command)
    assert words[-2:] == [str(supervision.launch_file(conn, "objectstore")), "d1"]
    assert program.stdout_logfile == str(conn.layout.log("objectstore"))


def test_a_service_is_restarted_when_it_ends_and_stopped_with_its_children(conn):
    settings = Settings(stop_deadline_s=7)
    options = read_back(conn, supervision.render_configuration(conn, settings, {"objectstore": "d1"}))
    program = program_of(options, "objectstore")
    assert program.autorestart.__name__ == "RestartUnconditionally"
    assert program.stopasgroup
    assert program.killasgroup
    assert program.stopwaitsecs == 7
    assert not program.autostart
    assert program.stdout_logfile_maxbytes > 0


def test_a_service_is_never_given_up_and_its_launcher_holds_it_back(conn):
    options = read_back(conn, supervision.render_configuration(conn, Settings(), {"objectstore": "d1"}))
    program = program_of(options, "objectstore")
    assert program.startsecs == 0, "an end is told at once; how long the next start waits is the launcher's"
    assert program.startretries >= 10**6


def test_the_supervisor_keeps_its_keeper(conn):
    options = read_back(conn, supervision.render_configuration(conn, Settings(), {"objectstore": "d1"}))
    keeper = program_of(options, "keeper")
    assert keeper.autostart
    assert keeper.environment == {"MODELYARD_SERVICE": "keeper"}, "it carries a mark of its own from its first moment"
    assert keeper.autorestart.__name__ == "RestartUnconditionally"


def test_the_keeper_brings_the_yard_up_with_the_settings_with_which_it_was(conn):
    settings = Settings(name="ann", ports="7700", stop_deadline_s=7, require_registered_models=True)
    supervision.write_keeper_file(conn, settings)
    path = supervision.launch_file(conn, "keeper")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    held = json.loads(path.read_text())
    known = {name: value for name, value in held["env"].items() if name.startswith("MODELYARD_")}
    assert known["MODELYARD_NAME"] == "ann"
    assert float(known["MODELYARD_STOP_DEADLINE_S"]) == 7
    assert known["MODELYARD_REQUIRE_REGISTERED_MODELS"].lower() == "true"
    assert "MODELYARD_PORTS" not in known, "the yard stays where it is"


def test_the_socket_is_for_this_user_only(conn):
    options = read_back(conn, supervision.render_configuration(conn, Settings(), {"objectstore": "d1"}))
    [server] = options.server_configs
    assert server["chmod"] == 0o600
    assert server["file"] == str(conn.layout.socket("supervisor"))


def test_no_secret_stands_in_the_supervisors_configuration(conn):
    text = supervision.render_configuration(conn, Settings(), {"objectstore": "d1"})
    held = vars(conn.credentials)
    assert held
    assert not [name for name, secret in held.items() if secret in text]


def test_the_launch_file_holds_secrets_and_is_for_this_user_only(conn):
    process = Process(argv=("/bin/true",), env={"RCLONE_AUTH_KEY": '"id,secret"'})
    supervision.write_launch_file(conn, Settings(), SERVICE, process)
    path = supervision.launch_file(conn, "objectstore")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    held = json.loads(path.read_text())
    assert held["env"]["RCLONE_AUTH_KEY"] == '"id,secret"'
    assert held["env"]["MODELYARD_YARD"] == conn.layout.yard_id
    assert held["env"]["MODELYARD_SERVICE"] == "objectstore"


def test_a_shell_that_knows_another_mlflow_or_cloud_does_not_lead_a_service_astray(conn):
    shell = {
        "AWS_PROFILE": "work",
        "MLFLOW_TRACKING_URI": "http://elsewhere",
        "PYTHONPATH": "/elsewhere",
        "KUBECONFIG": "/home/ann/.kube/config",
        "MODELYARD_FOLDER": "/other/yard",
        "HTTPS_PROXY": "http://proxy:3128",
        "NO_PROXY": "example.org",
        "LANG": "de_DE.UTF-8",
    }
    held = supervision.service_environment(conn, Settings(), "mlflow", shell)
    assert "AWS_PROFILE" not in held
    assert "PYTHONPATH" not in held
    assert held["MLFLOW_TRACKING_URI"] == conn.address("mlflow")
    assert held["KUBECONFIG"] == str(conn.kubeconfig)
    assert held["MODELYARD_FOLDER"] == str(conn.layout.folder)
    assert held["LANG"] == "de_DE.UTF-8"
    assert held["NO_PROXY"] == "127.0.0.1,localhost,example.org"
    assert held["no_proxy"] == "127.0.0.1,localhost"


def test_a_changed_file_changes_the_digest_of_a_service(tmp_path):
    before = Process(argv=("prometheus",), files={tmp_path / "prometheus.yml": "scrape_interval: 2s"})
    after = Process(argv=("prometheus",), files={tmp_path / "prometheus.yml": "scrape_interval: 15s"})
    assert before.digest() == before.digest()
    assert before.digest() != after.digest()
