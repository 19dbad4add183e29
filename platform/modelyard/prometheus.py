"""Prometheus' HTTP API: instant queries and the alerts that are active."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from modelyard.autoscaling.values import parse_duration
from modelyard.errors import RequestRefused, ServiceUnreachable


@dataclass(frozen=True)
class Sample:
    """One series of an instant query: its labels and its value now."""

    labels: dict[str, str]
    value: float


class Prometheus:
    """Asks one Prometheus, by its address without a trailing slash."""

    def __init__(self, address: str) -> None:
        self.address = address

    def query(self, promql: str) -> list[Sample]:
        """Series that an instant query finds now; a scalar is one sample without labels.

        Raises:
            YardError: the query is not PromQL.
            ServiceUnreachable: Prometheus does not answer.
        """
        held = self._get("/api/v1/query", {"query": promql})
        if held["resultType"] == "scalar":
            return [Sample({}, float(held["result"][1]))]
        return [Sample(series["metric"], float(series["value"][1])) for series in held["result"]]

    def value(self, promql: str) -> float | None:
        """The one value that a query finds, or None where it finds nothing: no data is not zero."""
        found = self.query(promql)
        return found[0].value if found else None

    def alerts(self) -> list[dict[str, Any]]:
        """Active alerts: labels, annotations, state (pending or firing), activeAt, value."""
        return self._get("/api/v1/alerts", {})["alerts"]

    def evaluated(self) -> float:
        """When the alert rules were last evaluated, in seconds since 1970: the oldest of them; 0 where never.

        Raises:
            ServiceUnreachable: Prometheus does not answer.
        """
        from datetime import datetime

        groups = self._get("/api/v1/rules", {"type": "alert"})["groups"]
        held = [datetime.fromisoformat(rule["lastEvaluation"]) for group in groups for rule in group["rules"]]
        return min((moment.timestamp() for moment in held if moment.year > 1), default=0.0)

    def intervals(self) -> tuple[float, float]:
        """Seconds between two scrapes, and between two evaluations of the slowest group of rules."""
        import yaml

        held = yaml.safe_load(self._get("/api/v1/status/config", {})["yaml"])
        groups = self._get("/api/v1/rules", {})["groups"]
        scrape_s = parse_duration(held.get("global", {}).get("scrape_interval", "1m"))
        return scrape_s, max((float(group["interval"]) for group in groups), default=0.0)

    def _get(self, path: str, params: dict[str, str]) -> Any:
        import httpx

        try:
            answer = httpx.get(self.address + path, params=params, timeout=30.0, trust_env=False)
            held = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise ServiceUnreachable(
                f"Prometheus at {self.address} does not answer: {type(error).__name__}",
                detail=str(error),
                next_command="./invoke status",
            ) from error
        if held.get("status") != "success":
            raise RequestRefused(f"Prometheus refused {params.get('query', path)!r}: {held.get('error')}")
        return held["data"]
