"""Stands in for Grafana, which no package here holds: `grafana server` as far as provisioning and queries go.

It takes its settings from the same variables, reads the same provisioning files, and passes queries to the Prometheus
and Alertmanager that are provisioned; what they answer it hands on as data frames.
"""

import base64
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

SECONDS = {"s": 1, "m": 60, "h": 3600}


class Provisioned:
    """What the files say; the first organisation's."""

    def __init__(self, folder):
        (sources,) = self._read(folder, "datasources")
        (providers,) = self._read(folder, "dashboards")
        (alerting,) = self._read(folder, "alerting")
        self.sources = {held["uid"]: held for held in sources["datasources"]}
        self.contact_points = [
            {"name": point["name"], "provenance": "file", **receiver}
            for point in alerting["contactPoints"]
            for receiver in point["receivers"]
        ]
        names = {point["name"] for point in self.contact_points}
        assert {policy["receiver"] for policy in alerting["policies"]} <= names
        (provider,) = providers["providers"]
        self.folder = {"uid": provider["folderUid"], "title": provider["folder"]}
        self.dashboards = {}
        for path in Path(provider["options"]["path"]).glob("*.json"):
            held = json.loads(path.read_text("utf-8"))
            self.dashboards[held["uid"]] = {**held, "id": len(self.dashboards) + 1, "version": 1}

    @staticmethod
    def _read(folder, kind):
        return [yaml.safe_load(path.read_text("utf-8")) for path in sorted((folder / kind).glob("*.yml"))]


class Refused(Exception):
    def __init__(self, status, body):
        self.status, self.body = status, body


def fetch(address):
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return json.loads(error.read())


def frames_of(source, query, since):
    """One query's part of an answer of /api/ds/query."""
    now = time.time()
    asked = {"query": query["expr"]}
    if query["instant"]:
        address = f"{source['url']}/api/v1/query?{urllib.parse.urlencode({**asked, 'time': now})}"
    else:
        begun = now - int(since.removeprefix("now-")[:-1]) * SECONDS[since[-1]]
        asked |= {"start": begun, "end": now, "step": query["intervalMs"] / 1000}
        address = f"{source['url']}/api/v1/query_range?{urllib.parse.urlencode(asked)}"
    held = fetch(address)
    if held["status"] != "success":
        return {"error": held["error"], "status": 400}
    series = held["data"]["result"]
    if query["format"] == "table":
        return {"status": 200, "frames": [table_of(series)] if series else []}
    return {"status": 200, "frames": [lines_of(found) for found in series]}


def lines_of(series):
    samples = series.get("values") or [series["value"]]
    fields = [{"name": "Time", "type": "time"}, {"name": "Value", "type": "number", "labels": series["metric"]}]
    values = [[at * 1000 for at, _ in samples], [float(value) for _, value in samples]]
    return {"schema": {"fields": fields}, "data": {"values": values}}


def table_of(series):
    labels = sorted({label for found in series for label in found["metric"]})
    fields = [
        {"name": "Time", "type": "time"},
        *({"name": label, "type": "string"} for label in labels),
        {"name": "Value", "type": "number"},
    ]
    columns = [
        [found["value"][0] * 1000 for found in series],
        *([found["metric"].get(label, "") for found in series] for label in labels),
        [float(found["value"][1]) for found in series],
    ]
    return {"schema": {"fields": fields}, "data": {"values": columns}}


class Grafana(BaseHTTPRequestHandler):
    def do_GET(self):
        self._answer(lambda: self._get(self.path.removeprefix("/api/").split("/")))

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self._answer(lambda: self._query(body))

    def _answer(self, found):
        try:
            if self.path != "/api/health" and self.headers["authorization"] != self.server.login:
                raise Refused(401, {"message": "Invalid username or password"})
            status, body = 200, found()
        except Refused as error:
            status, body = error.status, error.body
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _get(self, parts):
        held = self.server.held
        match parts:
            case ["health"]:
                return {"database": "ok", "version": "12.3.2"}
            case ["org"] | ["org", ""]:
                return {"id": 1, "name": "Main Org."}
            case ["datasources"]:
                return list(held.sources.values())
            case ["folders", uid] if uid == held.folder["uid"]:
                return held.folder
            case ["dashboards", "uid", uid] if uid in held.dashboards:
                meta = {"folderUid": held.folder["uid"], "folderTitle": held.folder["title"], "provisioned": True}
                return {"dashboard": held.dashboards[uid], "meta": meta}
            case ["datasources", "uid", uid] if uid in held.sources:
                return {**held.sources[uid], "readOnly": True}
            case ["datasources", "uid", uid, "health"] if held.sources[uid]["type"] == "prometheus":
                fetch(f"{held.sources[uid]['url']}/api/v1/query?query=1")
                return {"status": "OK", "message": "Successfully queried the Prometheus API."}
            case ["v1", "provisioning", "contact-points"]:
                return held.contact_points
            case ["alertmanager", uid, *rest]:
                return fetch(f"{held.sources[uid]['url']}/{'/'.join(rest)}")
        raise Refused(404, {"message": "not found"})

    def _query(self, body):
        sources = self.server.held.sources
        results = {
            query["refId"]: frames_of(sources[query["datasource"]["uid"]], query, body["from"])
            for query in body["queries"]
        }
        if any("error" in result for result in results.values()):
            raise Refused(400, {"results": results})
        return {"results": results}

    def log_message(self, *_):
        pass


def main():
    if sys.argv[1:] == ["--version"]:
        sys.exit(print("grafana version 12.3.2"))
    assert sys.argv[1] == "server"
    where = (os.environ["GF_SERVER_HTTP_ADDR"], int(os.environ["GF_SERVER_HTTP_PORT"]))
    server = ThreadingHTTPServer(where, Grafana)
    server.held = Provisioned(Path(os.environ["GF_PATHS_PROVISIONING"]))
    password = Path(os.environ["GF_SECURITY_ADMIN_PASSWORD__FILE"]).read_text()
    login = f"{os.environ['GF_SECURITY_ADMIN_USER']}:{password}".encode()
    server.login = "Basic " + base64.b64encode(login).decode()
    server.serve_forever()


if __name__ == "__main__":
    main()
