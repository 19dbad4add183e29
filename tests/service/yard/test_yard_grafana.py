"""Grafana, which no package here holds: a stand-in shows what it is started with."""

import sys

import httpx
import psutil
import pytest

from modelyard.services import grafana
from modelyard.services.service import Context
from modelyard.toolbox import Toolbox
from modelyard.yard.down import take_down
from modelyard.yard.up import carry_out, make_plan, prepare
from modelyard.yard.view import Silent

STAND_IN = f"""#!{sys.executable}
import base64, http.server, json, os, pathlib, sys
if sys.argv[1:] == ["--version"]:
    sys.exit(print("grafana version 12.3.2"))
assert sys.argv[1] == "server"
password = pathlib.Path(os.environ["GF_SECURITY_ADMIN_PASSWORD__FILE"]).read_text()
login = "Basic " + base64.b64encode(f"admin:{{password}}".encode()).decode()
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        allowed = self.path == "/api/health" or self.headers["Authorization"] == login
        self.send_response(200 if allowed else 401)
        self.end_headers()
        self.wfile.write(json.dumps({{"database": "ok", "environment": dict(os.environ)}}).encode())
    def log_message(self, *told):
        pass
where = (os.environ["GF_SERVER_HTTP_ADDR"], int(os.environ["GF_SERVER_HTTP_PORT"]))
http.server.HTTPServer(where, Page).serve_forever()
"""


@pytest.fixture
def toolbox(tmp_path):
    program = tmp_path / "bin" / "grafana"
    program.parent.mkdir()
    program.write_text(STAND_IN)
    program.chmod(0o755)
    return Toolbox(tmp_path / "cache", path=str(program.parent))


def test_grafana_on_path_is_brought_up_with_its_own_password_and_the_dashboards(yards, toolbox):
    settings = yards.settings("dashboards", up_deadline_s=30.0)
    conn = prepare(settings)
    context = Context(conn, settings, toolbox)
    assert grafana.SERVICE.missing(context) == ""
    started = {"grafana": (grafana.SERVICE, grafana.SERVICE.process(context))}
    carry_out(make_plan(conn, settings, started), conn, settings, started, Silent())
    environment = httpx.get(f"{conn.address('grafana')}/api/health", trust_env=False).json()["environment"]
    assert conn.credentials.grafana_password not in environment.values()
    assert environment["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    [held] = yards.marked(settings)[-1:]
    assert conn.credentials.grafana_password not in " ".join(psutil.Process(held.pid).cmdline())
    provisioning = conn.layout.config / "grafana" / "provisioning"
    assert conn.address("prometheus") in (provisioning / "datasources" / "modelyard.yml").read_text()
    assert "dashboards/json" in (provisioning / "dashboards" / "modelyard.yml").read_text()
    assert environment["GF_PATHS_PROVISIONING"] == str(provisioning)
    take_down(settings)


def test_without_a_grafana_program_the_yard_does_without(yards, tmp_path):
    settings = yards.settings("plain")
    context = Context(prepare(settings), settings, Toolbox(tmp_path, path=""))
    assert grafana.SERVICE.missing(context).startswith("no grafana program on PATH")
