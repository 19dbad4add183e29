"""Alertmanager's webhook as history, and the page for people."""

from __future__ import annotations

import os
import re
import subprocess

LABELS = {"alertname": "InputDrift", "inferenceservice": "flights", "model_version": "1", "severity": "warning"}
EVIL = "<script>alert(1)</script>"


def webhook(status: str, *, ends: str = "0001-01-01T00:00:00Z", summary: str = "dewp 3.7") -> dict:
    """A payload of version 4 as Alertmanager's documentation gives it."""
    alert = {
        "status": status,
        "labels": LABELS,
        "annotations": {"summary": summary},
        "startsAt": "2026-11-24T15:00:00Z",
        "endsAt": ends,
        "generatorURL": "http://127.0.0.1:7604/graph",
        "fingerprint": "abc123",
    }
    return {"version": "4", "groupKey": "{}", "status": status, "receiver": "monitor", "alerts": [alert]}


def test_the_history_keeps_what_fired_and_what_was_resolved_over_a_kill(monitor):
    assert monitor.post("/alerts", webhook("firing")).status_code == 200
    assert monitor.post("/alerts", webhook("firing")).json() == {"added": 0}
    assert monitor.post("/alerts", webhook("resolved", ends="2026-11-24T15:02:00Z")).status_code == 200
    monitor.kill()
    monitor.start()
    history = monitor.http.get("/alerts").json()["alerts"]
    assert [(a["status"], a["endsAt"]) for a in history] == [
        ("firing", "0001-01-01T00:00:00Z"),
        ("resolved", "2026-11-24T15:02:00Z"),
    ]
    assert history[0]["labels"] == LABELS and history[0]["received"] <= history[1]["received"]


def test_the_page_shows_versions_windows_reports_and_alerts_and_escapes_all_of_it(monitor, kit, run_id):
    assert "No prediction has been logged yet" in monitor.http.get("/").text
    rows = [{**row, "carrier": EVIL} for row in kit["rows"](200, seed=4, shift=25)]
    monitor.post("/phase", {"namespace": "default", "inferenceservice": "flights", "name": EVIL})
    monitor.send_pairs(rows, ["early"] * 200, prefix="a", run_id=run_id)
    monitor.send_pairs(rows[:10], ["early"] * 10, prefix="b", version=EVIL, run_id=EVIL)
    monitor.tell_truths([EVIL] * 100, prefix="a")
    monitor.post("/alerts", webhook("firing", summary=EVIL))
    (window,) = monitor.wait_windows(1)
    page = monitor.http.get("/").text
    assert "<script" not in page and "&lt;script&gt;" in page
    assert "drift</span>: dewp" in page and f'href="{window["report"]}"' in page
    links = set(re.findall(r'href="?([^" >]+)', page))
    assert {link: monitor.http.get(link).status_code for link in links} == dict.fromkeys(links, 200)


def test_reports_are_served_from_their_folder_only(monitor):
    for path in ("/reports/../monitor.db", "/reports/%2e%2e/monitor.db", "/reports/..%2fmonitor.db", "/reports/x.html"):
        assert monitor.http.get(path).status_code == 404


def test_everything_that_it_keeps_and_says_is_for_its_owner_alone(monitor):
    folder = monitor.conn.layout.data("monitor")
    assert folder.stat().st_mode & 0o077 == 0
    told = monitor.log.read_text()
    monitor.send("a", "request", b"")
    assert monitor.conn.credentials.monitor_path not in told + monitor.log.read_text()
    listening = subprocess.run(["ss", "-tlnpH"], capture_output=True, text=True, check=True).stdout
    mine = [line.split()[3] for line in listening.splitlines() if f"pid={monitor.process.pid}," in line]
    assert mine == [f"127.0.0.1:{monitor.conn.port('monitor')}"]
    assert os.getpgid(monitor.process.pid)
