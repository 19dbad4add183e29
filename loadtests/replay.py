"""Replays flights of a phase as prediction requests through the gateway: a Locust file.

    locust -f loadtests/replay.py --headless --users 8 --spawn-rate 8 --flights flights.ndjson --limit 3000

It ends by itself when the rows are sent, the time is over, or (`--until-truths`) enough truths of a model version have
reached the monitor. Each line of `--flights` is `{"id": int, "features": {column: value}, "truth": class | null}`.
Standard output is JSON, one object a line: `{"kind": "progress", ...}` and at the end `{"kind": "summary", ...}`.
`--answers` gets one JSON object a request: the Ce-Id that the client set, the rows' ids, truths and answered classes.
The yard is that of MODELYARD_FOLDER, else the default one; its token comes from the yard's own files, never from argv.
"""

from __future__ import annotations

import itertools
import os
import secrets
import time
from pathlib import Path
from typing import Any

import gevent
import orjson
from locust import FastHttpUser, constant, events, task
from locust.exception import StopUser

from modelyard.codec import decode_predictions
from modelyard.connections import connect
from modelyard.load.measures import percentile
from modelyard.load.wire import is_loopback, refuse, tell

PROGRESS_INTERVAL_S = 1.0
TRUTH_INTERVAL_S = 0.25
STATUS_INTERVAL_S = 0.5


@events.init_command_line_parser.add_listener
def add_options(parser: Any) -> None:
    """Options of the replay, beside Locust's own."""
    group = parser.add_argument_group("replay")
    group.add_argument("--flights", required=True, help="NDJSON file of rows, in the order in which they are sent")
    group.add_argument("--rows-a-request", type=int, default=10, help="rows in one request")
    group.add_argument("--limit", type=int, default=0, help="rows to send at most; 0 = all of the file")
    group.add_argument("--skip", type=int, default=0, help="rows of the file to leave out first")
    group.add_argument("--seconds", type=float, default=600.0, help="seconds to send at most")
    group.add_argument("--think", type=float, default=0.0, help="seconds that a user waits between two requests")
    group.add_argument("--while-pid", type=int, default=0, help="end when this process has ended; 0 = nobody's")
    group.add_argument("--inferenceservice", default="flights")
    group.add_argument("--namespace", default="default")
    group.add_argument("--label", default="", help="first part of each Ce-Id; random where it is empty")
    group.add_argument("--answers", default="", help="file that gets a line a request")
    group.add_argument("--truth", choices=["none", "follow"], default="none", help="post truths as answers come")
    group.add_argument("--until-truths", type=int, default=0, help="with --truth follow: stop at so many truths")
    group.add_argument("--model-version", default="", help="the version whose truths --until-truths counts")


class Replay:
    """One replay: the rows still to send, what has been answered, and when it is over."""

    def __init__(self, options: Any) -> None:
        self.options = options
        self.conn = connect()
        self.label = options.label or secrets.token_hex(4)
        self.lines = self._rows()
        self.numbers = itertools.count()
        self.answers = Path(options.answers).open("ab") if options.answers else None  # noqa: SIM115 - held for the whole run
        self.truths: list[dict[str, Any]] = []
        self.truths_posted = 0
        self.version_truths: int | None = None
        self.seconds: list[float] = []
        self.requests = self.rows = self.failures = self.in_flight = 0
        self.first_failure = self.truth_failure = ""
        self.started = time.monotonic()
        self.last_answer = self.started
        self.exhausted = self.enough = False

    def _rows(self) -> Any:
        with Path(self.options.flights).open("rb") as held:
            last = self.options.skip + self.options.limit if self.options.limit else None
            for line in itertools.islice(held, self.options.skip, last):
                yield orjson.loads(line)

    def next_rows(self) -> list[dict[str, Any]]:
        """The rows of the next request; an empty list when the replay is over."""
        if self.enough or time.monotonic() - self.started > self.options.seconds:
            return []
        rows = list(itertools.islice(self.lines, self.options.rows_a_request))
        self.exhausted = self.exhausted or not rows
        return rows

    def keep(self, identity: str, rows: list[dict[str, Any]], classes: list[str] | None, seconds: float) -> None:
        """Write down an answer (classes None = it failed) and queue its truths."""
        self.last_answer = time.monotonic()
        self.requests += 1
        self.seconds.append(seconds)
        if classes is None:
            self.failures += 1
        else:
            self.rows += len(rows)
            if self.options.truth == "follow":
                self.truths.extend(truths_of(identity, rows))
        if self.answers:
            kept = {
                "id": identity,
                "rows": [row["id"] for row in rows],
                "truths": [row["truth"] for row in rows],
                "classes": classes,
                "seconds": round(seconds, 5),
                "answered": time.time(),
            }
            self.answers.write(orjson.dumps(kept) + b"\n")

    def is_over(self) -> bool:
        """Whether nothing more will be sent and nothing is under way."""
        late = time.monotonic() - self.started > self.options.seconds
        if self.options.while_pid and os.getppid() != self.options.while_pid:
            self.enough = True  # whoever wanted this replay was killed
        return (self.exhausted or self.enough or late) and self.in_flight == 0

    def told(self, kind: str) -> dict[str, Any]:
        """The figures so far."""
        took_s = max(self.last_answer - self.started, 1e-6)
        return {
            "kind": kind,
            "label": self.label,
            "requests": self.requests,
            "rows": self.rows,
            "failures": self.failures,
            "first_failure": self.first_failure,
            "seconds": round(took_s, 3),
            "requests_per_second": round(self.requests / took_s, 1),
            "rows_per_second": round(self.rows / took_s, 1),
            "p50_ms": percentile_ms(self.seconds, 50),
            "p95_ms": percentile_ms(self.seconds, 95),
            "truths_posted": self.truths_posted,
            "truth_failure": self.truth_failure,
            "version_truths": self.version_truths,
        }


def truths_of(identity: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Truths of a request's rows in the monitor's form; a flight that never arrived has none."""
    return [
        {"id": identity, "row": number, "class": row["truth"]}
        for number, row in enumerate(rows)
        if row["truth"] is not None
    ]


def percentile_ms(seconds: list[float], percent: int) -> float | None:
    """A percentile in milliseconds, or None where nothing was answered."""
    found = percentile(seconds, percent)
    return None if found is None else round(found * 1000, 2)


@events.init.add_listener
def prepare(environment: Any, **_: Any) -> None:
    """Read the yard and refuse a target elsewhere, before the first user exists."""
    if environment.parsed_options is None or not hasattr(environment.parsed_options, "flights"):
        return
    if not Path(environment.parsed_options.flights).is_file():
        refuse(f"there is no file {environment.parsed_options.flights}", "NDJSON, a flight a line")
    replay = Replay(environment.parsed_options)
    environment.host = environment.host or environment.parsed_options.host or replay.conn.gateway
    if not is_loopback(environment.host):
        refuse(f"{environment.host} is not on this machine", "http://127.0.0.1:PORT")
    environment.replay = replay


@events.test_start.add_listener
def watch(environment: Any, **_: Any) -> None:
    """Start the greenlets that tell progress, post truths and end the test."""
    environment.replay.started = environment.replay.last_answer = time.monotonic()
    gevent.spawn(_end_when_over, environment)


def _end_when_over(environment: Any) -> None:
    replay: Replay = environment.replay
    truths = gevent.spawn(_post_truths, replay) if replay.options.truth == "follow" else None
    told = time.monotonic()
    while not replay.is_over():
        gevent.sleep(0.02)
        if time.monotonic() - told >= PROGRESS_INTERVAL_S:
            told = time.monotonic()
            tell(replay.told("progress"))
    if truths is not None:
        truths.join()
    if replay.answers:
        replay.answers.flush()
    tell(replay.told("summary"))
    failed = replay.failures or replay.truth_failure or not replay.requests
    environment.process_exit_code = 1 if failed else 0
    environment.runner.quit()


def _post_truths(replay: Replay) -> None:
    """Follow with the truths; without a monitor there is nothing to wait for, so the replay ends and says why."""
    import httpx

    try:
        _follow(replay)
    except httpx.HTTPError as error:
        replay.truth_failure = f"{type(error).__name__}: {error}"
        replay.enough = replay.enough or bool(replay.options.until_truths)


def _follow(replay: Replay) -> None:
    """Post queued truths until the replay is over and the queue is empty; count those of the watched version."""
    import httpx

    token = {"Authorization": f"Bearer {replay.conn.credentials.monitor_token}"}
    base = _version_truths(replay)
    asked = time.monotonic()
    with httpx.Client(base_url=replay.conn.address("monitor"), headers=token, timeout=30, trust_env=False) as client:
        while replay.truths or not replay.is_over():
            batch, replay.truths = replay.truths, []
            if batch:
                client.post("/truth", content=orjson.dumps({"truths": batch})).raise_for_status()
                replay.truths_posted += len(batch)
            wanted = replay.options.until_truths
            if wanted and time.monotonic() - asked >= STATUS_INTERVAL_S:
                asked = time.monotonic()
                replay.version_truths = (_version_truths(replay) or 0) - (base or 0)
                replay.enough = replay.version_truths >= wanted
            gevent.sleep(0 if replay.truths and replay.is_over() else TRUTH_INTERVAL_S)


def _version_truths(replay: Replay) -> int | None:
    """Truths that the monitor has for the watched model version, or None where it does not know the version yet."""
    import httpx

    status = httpx.get(f"{replay.conn.address('monitor')}/status", timeout=30, trust_env=False).raise_for_status()
    wanted = (replay.options.namespace, replay.options.inferenceservice, replay.options.model_version)
    for held in status.json()["versions"]:
        if (held["namespace"], held["inferenceservice"], str(held["model_version"])) == wanted:
            return int(held["truths"])
    return None


class Passenger(FastHttpUser):
    """Sends the next rows as soon as the last answer is there."""

    connection_timeout = 10.0
    network_timeout = 60.0
    max_retries = 0
    wait_time = constant(0)

    def on_start(self) -> None:
        """Where and as whom this user asks."""
        self.replay: Replay = self.environment.replay
        options = self.replay.options
        self.target = f"/v1/models/{options.inferenceservice}:predict"
        self.named = self.replay.conn.host(options.inferenceservice, options.namespace)

    @task
    def predict(self) -> None:
        """One request; ends this user when the replay is over."""
        rows = self.replay.next_rows()
        if not rows:
            raise StopUser
        identity = f"{self.replay.label}-{next(self.replay.numbers):06d}"
        headers = {"Host": self.named, "Ce-Id": identity, "Content-Type": "application/json"}
        body = orjson.dumps({"instances": [row["features"] for row in rows]})
        self.replay.in_flight += 1
        try:
            self._send(identity, rows, headers, body)
        finally:
            self.replay.in_flight -= 1
        if self.replay.options.think:
            gevent.sleep(self.replay.options.think)

    def _send(self, identity: str, rows: list[dict[str, Any]], headers: dict[str, str], body: bytes) -> None:
        began = time.perf_counter()
        with self.client.post(self.target, data=body, headers=headers, name="predict", catch_response=True) as answer:
            took_s = time.perf_counter() - began
            predictions = decode_predictions(answer.content or b"") if answer.status_code == 200 else None
            if predictions is None or len(predictions) != len(rows):
                told = (answer.text or str(answer.error or ""))[:300]
                answer.failure(f"status {answer.status_code}")
                self.replay.first_failure = self.replay.first_failure or f"status {answer.status_code}: {told}"
                self.replay.keep(identity, rows, None, took_s)
            else:
                answer.success()
                self.replay.keep(identity, rows, [p["class"] for p in predictions], took_s)
