"""How much traffic a story sends, and which months it sends when: the only difference between `--fast` and the rest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Sizes of a story; rows unless the name says otherwise.

    `canary_truths` is when the canary's traffic stops, `canary_rows` when it stops at the latest. `ordinary`, `drift`
    and `later` are phases of the workspace's traffic (`Workspace.traffic`). `short_load` is for the short form
    of load tests.
    """

    profile: str
    ordinary_rows: int
    drift_rows: int
    canary_truths: int
    canary_rows: int
    recovery_rows: int
    rows_a_request: int = 10
    users: int = 8
    canary_percent: int = 10
    ordinary: str = "heldout"
    drift: str = "july"
    later: str = "august"
    window_rows: int = 1000
    wait_s: float = 120.0
    short_load: bool = False


FAST = Plan(
    "fast",
    ordinary_rows=3000,
    drift_rows=3000,
    canary_truths=500,
    canary_rows=8000,
    recovery_rows=3000,
    short_load=True,
)
FULL = Plan("full", ordinary_rows=6000, drift_rows=6000, canary_truths=700, canary_rows=10_000, recovery_rows=6000)
