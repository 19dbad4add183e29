"""Which two events belong together, and which are no prediction at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from modelyard.codec import Prediction, decode_predictions, decode_rows
from modelyard.monitor.cloudevents import Event

Outcome = Literal["pair", "waiting", "duplicate", "ignored", "mismatched", "unpaired", "truth"]
"""What became of an event; every acknowledged one is counted under exactly one of them.

waiting: the first half of a pair. pair: the second half. duplicate: its half was there already. ignored: not a
prediction (GET, empty body, other format). mismatched: request and response differ in their number of rows.
"""


@dataclass(frozen=True, slots=True)
class Half:
    """The half of a pair that waits for the other one."""

    kind: str
    rows: int
    body: bytes
    model_version: str
    run_id: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with an event: `half` is to be kept or is the one in hand, `drop_waiting` ends the other's wait."""

    outcome: Outcome
    half: Half | None = None
    drop_waiting: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """Request and response of one prediction call; bodies as they were sent."""

    rows: int
    request: bytes
    response: bytes
    model_version: str
    run_id: str


def count_rows(event: Event) -> int:
    """Rows of a prediction request or response; 0 for everything else."""
    try:
        if event.kind == "request":
            return len(decode_rows(event.body) or ())
        if event.kind == "response":
            return len(decode_predictions(event.body) or ())
    except RecursionError:  # JSON nested a thousand deep is no prediction either
        return 0
    return 0


def decide_pairing(event: Event, waiting: Half | None, *, paired: bool) -> Decision:
    """What becomes of an event.

    Args:
        event: the event in hand.
        waiting: the half with the same id that waits, if there is one.
        paired: whether a whole pair with this id is kept already.
    """
    rows = count_rows(event)
    if not rows:
        other = waiting is not None and {event.kind, waiting.kind} == {"request", "response"}
        return Decision("ignored", drop_waiting=other)
    if paired:
        return Decision("duplicate")
    half = Half(event.kind, rows, event.body, event.model_version, event.run_id)
    if waiting is None:
        return Decision("waiting", half)
    if waiting.kind == event.kind:
        return Decision("duplicate")
    if waiting.rows != rows:
        return Decision("mismatched", drop_waiting=True)
    return Decision("pair", half, drop_waiting=True)


def join_halves(one: Half, other: Half) -> Pair:
    """The pair of two halves; the version is the response's, because its revision is what answered."""
    request, response = (one, other) if one.kind == "request" else (other, one)
    return Pair(
        rows=request.rows,
        request=request.body,
        response=response.body,
        model_version=response.model_version or request.model_version,
        run_id=response.run_id or request.run_id,
    )


def read_answers(response: bytes) -> list[Prediction]:
    """Predictions of a kept response; probabilities that are not numbers are left out."""
    answers = decode_predictions(response) or []
    return [{"class": str(answer["class"]), "probabilities": _numbers(answer)} for answer in answers]


def _numbers(answer: Prediction) -> dict[str, float]:
    held = answer.get("probabilities")
    if not isinstance(held, dict):
        return {}
    return {name: float(p) for name, p in held.items() if isinstance(p, (int, float)) and not isinstance(p, bool)}
