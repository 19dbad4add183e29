"""What a load test promises, and what became of it: plain data that table, report and exit code are made from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from modelyard.errors import OptionInvalid


@dataclass(frozen=True)
class Verdict:
    """One line of the table: what was claimed, what was measured, what was asked for, and whether it held."""

    claim: str
    measured: str
    asked: str
    held: bool


@dataclass(frozen=True)
class Objective:
    """One promise of an SLO: a figure that may not lie above `at_most` or below `at_least`, both in `unit`."""

    id: str
    claim: str
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def asked(self) -> str:
        """The limit as a person reads it."""
        low = "" if self.at_least is None else f"at least {_told(self.at_least)} {self.unit}"
        high = "" if self.at_most is None else f"at most {_told(self.at_most)} {self.unit}"
        return " and ".join(part for part in (low, high) if part)

    def judge(self, measured: float | None) -> Verdict:
        """The verdict on a figure; one that was not measured has not held."""
        if measured is None or math.isnan(measured):
            return Verdict(self.claim, "no data", self.asked, held=False)
        low = self.at_least is None or measured >= self.at_least
        high = self.at_most is None or measured <= self.at_most
        return Verdict(self.claim, f"{_told(measured)} {self.unit}", self.asked, held=low and high)


def with_limits(slo: Iterable[Objective], given: Iterable[str]) -> tuple[Objective, ...]:
    """An SLO with other limits: `id=value` takes the place of the one limit that an objective has.

    Raises:
        OptionInvalid: there is no such objective, it has two limits or none, or the value is no number.
    """
    held = {objective.id: objective for objective in slo}
    for pair in given:
        name, _, value = pair.partition("=")
        objective = held.get(name)
        limits = (
            []
            if objective is None
            else [limit for limit in ("at_most", "at_least") if getattr(objective, limit) is not None]
        )
        if objective is None or len(limits) != 1:
            able = [o.id for o in held.values() if (o.at_most is None) != (o.at_least is None)]
            raise OptionInvalid(
                f"--slo {pair!r} names no objective of this load test", allowed=f"{', '.join(able)}=VALUE"
            )
        try:
            limit = float(value)
        except ValueError:
            raise OptionInvalid(f"--slo {pair!r} has no number", allowed=f"{name}=VALUE in {objective.unit}") from None
        held[name] = replace(objective, at_most=limit) if limits == ["at_most"] else replace(objective, at_least=limit)
    return tuple(held.values())


def find(slo: Iterable[Objective], name: str) -> Objective:
    """An objective by its id."""
    return next(objective for objective in slo if objective.id == name)


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """0 when every verdict held, 1 otherwise; no verdict at all has proven nothing."""
    return 0 if verdicts and all(verdict.held for verdict in verdicts) else 1


def _told(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.3g}"
