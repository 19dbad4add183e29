"""Chapters that renew a model: retraining, canary, promotion, recovery."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

from modelyard.rollout import canary as rollout
from modelyard.rollout.canary import Canary, judge_logged, rows_of, start_canary
from modelyard.rollout.judge import Action, Verdict
from modelyard.story import steps, watching
from modelyard.story.claims import Finding
from modelyard.story.context import MODEL, Since, Story, mean
from modelyard.story.locust import Sent

HOURS = {"features.dep_delay_unit": "hours"}
SHARE = 0.06
"""How far a tenth of some 500 requests may be from a tenth: 4.5 standard deviations."""
HEALTHY_WINDOWS = 3
PROMOTION_ROWS = 400


def tell_retraining(story: Story) -> Iterator[Finding]:
    """v2: May to July."""
    old = story.need("data_v1", chapter="data")
    version = steps.add_data(story, "v2")
    yield Finding(
        "retraining.version",
        held=version.md5 != old["md5"] and steps.pointer_at(story, version.tag) == version.md5,
        value=version.md5,
        evidence={"v1": old["md5"], "v2": version.md5, "tag": version.tag, "flights": version.rows},
        command=f"git -C {story.workspace.folder} diff {old['tag']} {version.tag}",
    )
    run_id = steps.train(story, "v2")
    yield steps.traced("retraining.traced", story, steps.run_of(story, run_id), version.md5)
    registered, verdict = steps.register_and_judge(story, run_id)
    yield steps.gated("retraining.gate", registered, verdict)
    story.state.keep(run_v2=run_id, retrained_version=registered.version)


def tell_canary(story: Story) -> Iterator[Finding]:
    """First a candidate with a unit mistake, then the retrained one."""
    stable = story.need("stable_version", chapter="registry")
    retrained = story.need("retrained_version", chapter="retraining")
    flights = story.flights(story.plan.later)
    story.narrator.say("somebody changes the unit of dep_delay in training, and not in service")
    bad, gate = steps.register_and_judge(story, steps.train(story, "v2, dep_delay in hours", HOURS))
    yield steps.gated("canary.bad_passes_gate", bad, gate)

    canary, first, verdict = run_canary(story, bad.version, "August, wrong unit", flights, 0)
    yield judged("canary.bad_refused", story, canary, verdict, wanted=Action.ROLL_BACK)
    held = rollout.act(story.services, story.name, verdict)
    story.narrator.say(f"{verdict.action}: {rollout.describe_traffic(held)}")
    yield rolled_back("canary.rolled_back", story, canary, held, stable)

    canary, second, verdict = run_canary(story, retrained, "August, canary", flights, first.order.rows)
    yield shared("canary.good_share", story, canary, second)
    yield judged("canary.good_judged", story, canary, verdict, wanted=Action.PROMOTE)
    yield watching.answered("canary.answered", first, second)
    if verdict.action is not Action.PROMOTE:
        rollout.roll_back(story.services, story.name)
    story.state.keep(
        canary=asdict(canary),
        verdict={"action": verdict.action.value, "why": verdict.why},
        august_sent=first.order.rows + second.order.rows,
    )


def tell_promotion(story: Story) -> Iterator[Finding]:
    """@production moves after the verdict, and the canary's revision takes everything."""
    verdict = story.need("verdict", chapter="canary")
    canary = Canary(**story.need("canary", chapter="canary"))
    if verdict["action"] != Action.PROMOTE.value:
        from modelyard.errors import GateRefused

        raise GateRefused(f"the judge did not let version {canary.version} pass: {verdict['why']}")
    entry = steps.move(story, canary.version, "production", f"The canary was judged: {verdict['why']}")
    yield steps.audited("promotion.audit", story, entry, canary.version)
    since = story.begin("promotion", canary.version)
    flights = story.flights(story.plan.later)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(story.replay, flights, since, rows=PROMOTION_ROWS, skip=story.state.facts["august_sent"])
        held = rollout.promote(story.services, story.name)
        sent = sending.result()
    yield same_revision("promotion.same_revision", story, canary, held)
    yield watching.answered("promotion.answered", sent)
    story.monitor.wait_drained(story.plan.wait_s)
    story.state.keep(august_sent=story.state.facts["august_sent"] + PROMOTION_ROWS, promoted_version=canary.version)


def tell_recovery(story: Story) -> Iterator[Finding]:
    """August with the retrained version alone: alerts resolve, and it is healthy."""
    version = story.need("promoted_version", chapter="promotion")
    began = story.need("drift_began", chapter="drift")
    flights = story.flights(story.plan.later)
    since = story.begin("August, promoted", version)
    sent = story.replay(
        flights, since, rows=story.plan.recovery_rows, skip=story.state.facts["august_sent"], follow=True
    )
    drift, quality = watching.expected_windows(story, sent)
    yield watching.logged("recovery.served", story, since, sent)
    story.wait_windows(since, drift=drift, quality=quality)
    yield resolved("recovery.resolved", story, began)
    yield healthy("recovery.healthy", story, since)
    early, before = watching.early_recall(story, since), story.state.facts.get("early_drift")
    yield Finding(
        "recovery.early",
        held=early is not None and before is not None and early >= watching.EARLY_RECALL > before,
        value=early,
        evidence={"July, before": before, "January to March": story.state.facts.get("early_ordinary")},
        command=watching.show_windows(story, version, "quality"),
    )
    yield steps.lineage("recovery.lineage", story, story.need("data_v2", chapter="retraining")["md5"], version)
    story.draw(since, sent)


def run_canary(story: Story, version: str, phase: str, flights: Any, skip: int) -> tuple[Canary, Sent, Verdict]:
    """Stage a version, give it a tenth of the traffic until there are truths enough, and judge it."""
    from modelyard.registry.deployment import manifest

    steps.move(story, version, "staging", f"Candidate for a canary: {phase}")
    since = story.begin(phase, version)
    beside = story.since(phase, steps.alias_version(story, "production") or "")
    with story.narrator.working(f"canary of version {version}"):
        percent = story.plan.canary_percent
        wanted = manifest(
            story.conn, MODEL, "staging", name=story.name, namespace=story.namespace, canary_percent=percent
        )
        canary = start_canary(story.services, wanted, stable_version=beside.version)
    story.narrator.say(f"{canary.revision} gets {percent} %, {canary.stable_revision} the rest")
    sent = story.replay(
        flights,
        since,
        rows=story.plan.canary_rows,
        skip=skip,
        follow=True,
        until_truths=story.plan.canary_truths,
        version=version,
    )
    with story.narrator.working("the judge scores the same flights with the version in production"):
        story.monitor.wait_drained(story.plan.wait_s)
        rows = rows_of(story.monitor, version, sent.order.label, since.seq)
        verdict = judge_logged(rows, lambda held: story.score(canary.stable_version, held))
    story.narrator.say(f"the judge says {verdict.action.value}: {verdict.why}")
    mine = story.rows(version) - since.rows
    story.state.figures.setdefault("canary_rows", {})[version] = {
        canary.revision: mine,
        canary.stable_revision: story.wait_rows(beside, sent.rows - mine),
    }
    draw_canary(story, canary, verdict, since)
    story.draw(beside, title=f"{phase}: version {beside.version} beside it")
    return canary, replace(sent, order=replace(sent.order, rows=used_rows(sent))), verdict


def used_rows(sent: Sent) -> int:
    """Rows of the file that a replay took, answered or not."""
    return int(sent.summary["requests"]) * sent.order.rows_a_request


def judged(claim: str, story: Story, canary: Canary, verdict: Verdict, *, wanted: Action) -> Finding:
    """Whether the judge said what it must, with both versions' figures."""
    return Finding(
        claim,
        held=verdict.action is wanted,
        value=f"{verdict.action.value}: {verdict.why}",
        evidence={
            "candidate": f"version {canary.version}, revision {canary.revision}",
            "stable": f"version {canary.stable_version}, revision {canary.stable_revision}",
            "flights judged": verdict.truths,
            "log-loss, stable and candidate": _both(verdict, "log_loss"),
            "accuracy, stable and candidate": _both(verdict, "accuracy"),
        },
        command=f"curl -s '{story.monitor.address}/rows?model_version={canary.version}&limit=5'",
    )


def _both(verdict: Verdict, name: str) -> list[float] | None:
    if verdict.stable is None or verdict.candidate is None:
        return None
    return [round(getattr(verdict.stable, name), 4), round(getattr(verdict.candidate, name), 4)]


def rolled_back(claim: str, story: Story, canary: Canary, held: dict[str, Any], stable: str) -> Finding:
    """Whether the stable revision has everything again, and @production never moved."""
    parts = rollout.shares_of(held)
    named = steps.alias_version(story, "production")
    return Finding(
        claim,
        held=parts == {canary.stable_revision: 100} and named == stable,
        value=", ".join(f"{revision} {percent} %" for revision, percent in parts.items()),
        evidence={"@production": named, "refused": f"version {canary.version}, revision {canary.revision}"},
        command=f"kubectl get inferenceservice {story.name} -o jsonpath='{{.status.components.predictor.traffic}}'",
    )


def shared(claim: str, story: Story, canary: Canary, sent: Sent) -> Finding:
    """Which share of the replay's rows each version answered, by what the monitor logged; no row is anybody else's."""
    rows = story.state.figures["canary_rows"][canary.version]
    share = rows[canary.revision] / sent.rows if sent.rows else 0.0
    return Finding(
        claim,
        held=abs(share - canary.percent / 100) <= SHARE and sum(rows.values()) == sent.rows,
        value=f"{share:.1%}",
        evidence={
            f"{canary.revision}, version {canary.version}": rows[canary.revision],
            f"{canary.stable_revision}, version {canary.stable_version}": rows[canary.stable_revision],
            "answered in all": sent.rows,
            "asked for": f"{canary.percent} %",
        },
        command=f"curl -s {story.monitor.address}/status",
    )


def same_revision(claim: str, story: Story, canary: Canary, held: dict[str, Any]) -> Finding:
    """Whether the judged revision has everything, and is still the newest that there is."""
    parts = rollout.shares_of(held)
    newest = held["status"]["components"]["predictor"].get("latestCreatedRevision")
    return Finding(
        claim,
        held=parts == {canary.revision: 100} and newest == canary.revision,
        value=", ".join(f"{revision} {percent} %" for revision, percent in parts.items()),
        evidence={"judged revision": canary.revision, "newest revision": newest, "model version": canary.version},
        command=f"kubectl get inferenceservice {story.name}",
    )


def resolved(claim: str, story: Story, began: float) -> Finding:
    """Whether each alert that fired since the drift was told as resolved, and none is active."""
    from modelyard.errors import WaitTimeout
    from modelyard.waiting import wait_until

    def last() -> dict[str, dict[str, Any]]:
        return {alert["fingerprint"]: alert for alert in story.alerts(began)}  # oldest first: the last one stays

    def over() -> bool:
        held = last()
        return bool(held) and all(alert["status"] == "resolved" for alert in held.values())

    with suppress(WaitTimeout), story.narrator.working("alerts resolve"):
        wait_until(over, what="alerts to resolve", deadline_s=story.plan.wait_s, interval_s=0.25)
    held = last()
    active = [a for a in story.prometheus.alerts() if a["labels"].get("inferenceservice") == story.name]
    fired = {a["labels"]["alertname"] for a in story.alerts(began, "firing")}
    return Finding(
        claim,
        held=over() and not active and {"InputDrift", "ClassRecallLow"} <= fired,
        value=f"{sum(a['status'] == 'resolved' for a in held.values())} of {len(held)} resolved",
        evidence={
            f"{a['labels']['alertname']}, version {a['labels'].get('model_version')}": f"{a['status']} {a['received']}"
            for a in held.values()
        },
        command=f"curl -s {story.monitor.address}/alerts",
    )


def healthy(claim: str, story: Story, since: Since) -> Finding:
    """Whether the version has windows enough, none drifted and none with early flights going wrong."""
    drift, quality = story.windows(since, "drift"), story.windows(since, "quality")
    recalls = [w["recall"].get("early") for w in quality]
    well = not any(w["drifted"] for w in drift) and all(r is not None and r >= watching.EARLY_RECALL for r in recalls)
    distances = [d for w in drift for d in w["columns"].values() if d is not None]
    return Finding(
        claim,
        held=well and len(drift) >= HEALTHY_WINDOWS and len(quality) >= 1,
        value=f"{len(drift)} windows of rows, {len(quality)} of truths",
        evidence={
            "largest distance": max(distances, default=None),
            "recall of early flights": recalls,
            "accuracy": mean([w["accuracy"] for w in quality]),
            "last window ended": drift[-1]["ended"] if drift else None,
            **watching.report_of(story, drift),
        },
        command=watching.show_windows(story, since.version, "drift"),
    )


def draw_canary(story: Story, canary: Canary, verdict: Verdict, since: Since) -> None:
    """Keep what the report shows of a canary."""
    figures = story.state.figures
    title = f"version {canary.version}: {since.phase}"
    kept = [row for row in figures.get("judged", []) if row["candidate"] != title]
    figures["judged"] = [
        *kept,
        {
            "candidate": title,
            "truths": verdict.truths,
            "action": verdict.action.value,
            **{
                f"{who}_{what}": getattr(getattr(verdict, who), what) if getattr(verdict, who) else None
                for who in ("stable", "candidate")
                for what in ("log_loss", "accuracy")
            },
        },
    ]
    story.state.save()
