"""Locust's side of a load test: one user, what it writes down, and the shapes that say how many users there are.

Only Locust files import this. What conducts the test speaks to it by standard input, a JSON object a line:
`{"users": 5}` for so many users from now on, with whatever else the test's own user reads of it; the end of the input
ends the test. Standard output is
`{"kind": "progress", ...}` once a second and `{"kind": "summary", ...}` at the end.
"""

from __future__ import annotations

import csv
import time
from collections import Counter, deque
from pathlib import Path
from typing import Any

import gevent
import gevent.os
import orjson
from locust import FastHttpUser, LoadTestShape, constant, events, task
from locust.exception import StopUser
from locust.user.task import LOCUST_STATE_STOPPING

from modelyard.load.measures import COLUMNS, percentile
from modelyard.load.wire import is_loopback, refuse, tell

PROGRESS_INTERVAL_S = 0.5
RECENT_S = 3.0


@events.init_command_line_parser.add_listener
def add_options(parser: Any) -> None:
    """Options of a load test, beside Locust's own."""
    group = parser.add_argument_group("load test")
    group.add_argument("--inferenceservice", required=True)
    group.add_argument("--hostname", required=True, help="Host header of the InferenceService")
    group.add_argument("--body", default='{"instances": [[0.0]]}', help="body of each request")
    group.add_argument("--requests", required=True, help="CSV file that gets a line a request")
    group.add_argument("--limit", type=int, default=100_000, help="requests to send at most")
    group.add_argument("--seconds", type=float, default=600.0, help="seconds to send at most")
    group.add_argument("--think", type=float, default=0.0, help="seconds that a user waits between two requests")
    group.add_argument("--cued", action="store_true", help="standard input says how many users there are")


class Record:
    """What was sent and answered, and when it is over."""

    def __init__(self, options: Any) -> None:
        self.options = options
        self.file = Path(options.requests).open("w", encoding="utf-8", newline="")  # noqa: SIM115 - held for the whole run
        self.rows = csv.writer(self.file)
        self.rows.writerow(COLUMNS)
        self.started = time.monotonic()
        self.sent = self.requests = self.failures = 0
        self.first_failure = ""
        self.answers: Counter[str] = Counter()
        self.recent: deque[tuple[float, float]] = deque(maxlen=50_000)
        self.cue: dict[str, Any] = {"users": 0}
        self.ended = False

    def is_over(self) -> bool:
        """Whether nothing more may be sent."""
        late = time.monotonic() - self.started > self.options.seconds
        return self.ended or late or self.sent >= self.options.limit

    def keep(self, started: float, seconds: float, status: int, answer: str, error: str) -> None:
        """Write a request down."""
        self.requests += 1
        if self.file.closed:  # Locust did not wait for this one
            return
        self.rows.writerow((f"{started:.6f}", f"{seconds:.6f}", status, answer, error))
        self.recent.append((started + seconds, seconds))
        if error:
            self.failures += 1
            self.first_failure = self.first_failure or f"{status} {error}"
        else:
            self.answers[answer] += 1

    def told(self, kind: str, users: int) -> dict[str, Any]:
        """The figures so far; rates and latencies are those of the last seconds."""
        now = time.time()
        recent = [seconds for ended, seconds in self.recent if now - ended <= RECENT_S]
        p50, p95 = percentile(recent, 50), percentile(recent, 95)
        return {
            "kind": kind,
            "users": users,
            "in_flight": self.sent - self.requests,
            "requests": self.requests,
            "failures": self.failures,
            "first_failure": self.first_failure,
            "requests_per_second": round(len(recent) / RECENT_S, 1),
            "p50_ms": None if p50 is None else round(p50 * 1000, 1),
            "p95_ms": None if p95 is None else round(p95 * 1000, 1),
            "answers": dict(self.answers),
        }


@events.init.add_listener
def prepare(environment: Any, **_: Any) -> None:
    """Refuse a target elsewhere, before the first user exists."""
    options = environment.parsed_options
    environment.host = environment.host or options.host
    if not environment.host or not is_loopback(environment.host):
        refuse(f"{environment.host} is not on this machine", "--host http://127.0.0.1:PORT")
    environment.record = Record(options)


@events.test_start.add_listener
def watch(environment: Any, **_: Any) -> None:
    """Start the greenlets that tell progress and take cues."""
    environment.record.started = time.monotonic()
    gevent.spawn(_tell_progress, environment)
    if environment.parsed_options.cued:
        gevent.spawn(_take_cues, environment)


@events.quitting.add_listener
def close(environment: Any, **_: Any) -> None:
    """The last line; a test whose requests failed is still one that Locust has run to its end."""
    environment.record.file.close()
    tell(environment.record.told("summary", 0))
    environment.process_exit_code = 0


def _tell_progress(environment: Any) -> None:
    record: Record = environment.record
    while not record.is_over():
        gevent.sleep(PROGRESS_INTERVAL_S)
        if not record.file.closed:
            record.file.flush()
            tell(record.told("progress", environment.runner.user_count))
    record.ended = True


def _take_cues(environment: Any) -> None:
    record: Record = environment.record
    held = b""
    while read := gevent.os.tp_read(0, 4096):
        *lines, held = (held + read).split(b"\n")
        for line in lines:
            record.cue = orjson.loads(line)
    record.ended = True  # whoever gave the cues has finished, or was killed


class CuedShape(LoadTestShape):
    """As many users as whoever conducts the test asks for; ends with the test."""

    abstract = True

    def tick(self) -> tuple[int, float] | None:
        """Users now, and how many may come or go in a second."""
        runner: Any = self.runner
        record: Record = runner.environment.record
        if record.is_over():
            return None
        users = int(record.cue["users"])
        return users, max(users, 1) * 10.0


class Caller(FastHttpUser):
    """Sends the next request as soon as the last answer is there, and the pause is over."""

    abstract = True
    connection_timeout = 10.0
    network_timeout = 120.0
    max_retries = 0
    wait_time = constant(0)

    def on_start(self) -> None:
        """Where and as whom this user asks."""
        options = self.environment.parsed_options
        self.record: Record = self.environment.record
        self.target = f"/v1/models/{options.inferenceservice}:predict"
        self.headers = {"Host": options.hostname, "Content-Type": "application/json"}

    @task
    def predict(self) -> None:
        """Requests one after the other, until the test is over or this user is no longer wanted.

        In one task, because Locust kills a user between two tasks, and the kill may arrive in the middle of the next
        request.
        """
        while not self.record.is_over() and self._state != LOCUST_STATE_STOPPING:
            self.send()
            gevent.sleep(self.record.options.think)
        raise StopUser

    def send(self) -> None:
        """One request, written down whatever becomes of it."""
        body, rows = self.next_body()
        self.record.sent += 1
        started, began = time.time(), time.perf_counter()
        took_s, status, label, error = 0.0, 0, "", "this user was ended before its answer"
        try:
            with self.client.post(
                self.target, data=body, headers=self.headers, name="predict", catch_response=True
            ) as answer:
                took_s = time.perf_counter() - began
                status = int(answer.status_code or 0)
                label, error = self.judge(answer, rows)
                if error:
                    answer.failure(error)
                else:
                    answer.success()
        finally:
            self.record.keep(started, took_s or time.perf_counter() - began, status, label, error)

    def next_body(self) -> tuple[str, int]:
        """Body of the next request, and how many rows it has."""
        body = str(self.environment.parsed_options.body)
        return body, len(orjson.loads(body)["instances"])

    def judge(self, answer: Any, rows: int) -> tuple[str, str]:
        """What was answered (its first prediction, as text) and why it is a failure; one of the two is empty."""
        if answer.status_code != 200:
            return "", f"{(answer.text or str(answer.error or 'no answer')).strip()[:200]}" or "no answer"
        try:
            predictions = orjson.loads(answer.content or b"")["predictions"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return "", "the answer holds no predictions"
        if len(predictions) != rows:
            return "", f"{len(predictions)} predictions for {rows} rows"
        return str(predictions[0]), ""
