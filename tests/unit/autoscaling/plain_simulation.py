"""The Knative Pod Autoscaler once more, written to be checked by eye: it keeps every sample and decision for ever.

No ring, no running total, no state that one decision hands to the next: each answer is worked out from the whole past.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from modelyard.autoscaling.spec import ScalingSpec


@dataclass
class PlainAutoscaler:
    """One revision; see RevisionScaler for what the calls mean."""

    spec: ScalingSpec
    ready_at_start: int
    started: float
    scale: int
    activity: str
    initialized: bool
    samples: list[tuple[int, float]] = field(default_factory=list)
    decisions: list[dict] = field(default_factory=list)
    decided: int = -1
    activity_since: float = 0.0
    proxied_since: float | None = None

    def record(self, now: float, value: float) -> None:
        self.samples.append((math.floor(now), value))

    def average(self, now: float, window_s: int) -> float | None:
        """None: the last window and the second before it hold no sample."""
        if not self.samples:
            return None
        seconds = sorted({second for second, _ in self.samples})
        last = seconds[-1]
        if math.floor(now) - last > window_s:
            return None
        first = last
        for earlier in reversed(seconds):
            if first - earlier >= window_s:
                break  # a whole window without a sample: what was before is forgotten
            first = earlier
        oldest = max(last, math.floor(now)) - window_s + 1
        inside = [value for second, value in self.samples if second >= max(first, oldest)]
        known = min(last - first + 1, last - oldest + 1)
        return round(sum(inside) / known, 6) if known > 0 else 0.0

    def tick(self, now: float, ready: int, reachable: bool, in_path: bool) -> dict:
        stable = self.average(now, self.spec.stable_window_s)
        panic = self.average(now, self.spec.panic_window_s) or 0.0
        if stable is None and self.spec.target_burst_capacity == -1:
            stable = 0.0
        if stable is not None:
            self.decisions.append(self.wanted(now, ready, reachable, stable, panic))
            self.decided = self.delayed(now, reachable)
        self.proxied_since = (now if self.proxied_since is None else self.proxied_since) if in_path else None
        want = self.bounded_and_let_go(now, reachable)
        self.note_activity(now, want, ready, reachable)
        return {"desired": self.scale, "decided": self.decided, "activity": self.activity, "panicking": self.panicking}

    def wanted(self, now: float, ready: int, reachable: bool, stable: float, panic: float) -> dict:
        replicas = ready if ready >= 1 else 1

        def limited(raw: int) -> int:
            fastest_down = int(replicas // self.spec.max_down) if reachable else 0
            fastest_up = math.ceil(replicas * self.spec.max_up)
            scale = fastest_down if raw < fastest_down else raw
            scale = fastest_up if scale > fastest_up else scale
            if self.spec.activation_scale >= 2 and raw >= 1 and scale < self.spec.activation_scale:
                return self.spec.activation_scale
            return scale

        raw_stable, raw_panic = math.ceil(stable / self.spec.target), math.ceil(panic / self.spec.target)
        return {
            "at": now,
            "over": raw_panic / replicas >= self.spec.panic_threshold,
            "stable": limited(raw_stable),
            "panic": limited(raw_panic),
            "reachable": reachable,
        }

    def panics(self, index: int) -> bool:
        """In panic at that decision: over the threshold then, or within a stable window of the last time it was."""
        now = self.decisions[index]["at"]
        over = [one["at"] for one in self.decisions[: index + 1] if one["over"]]
        if self.ready_at_start > 1:
            over.insert(0, self.started)
        return bool(over) and now - over[-1] <= self.spec.stable_window_s

    @property
    def panicking(self) -> bool:
        if not self.decisions:
            return self.ready_at_start > 1
        return self.panics(len(self.decisions) - 1)

    def undelayed(self, index: int) -> int:
        if not self.panics(index):
            return self.decisions[index]["stable"]
        begin = index
        while begin > 0 and self.panics(begin - 1):
            begin -= 1
        episode = self.decisions[begin : index + 1]
        # what was ready at the start counts until a panic has ended for the first time
        most = self.ready_at_start if self.never_ended_panic(begin) else 0
        return max([most, *(one["stable"] for one in episode), *(one["panic"] for one in episode)])

    def never_ended_panic(self, index: int) -> bool:
        calm = [not self.panics(at) for at in range(index)]
        panicked = [self.ready_at_start > 1, *(self.panics(at) for at in range(index))]
        return not any(calm[at] and any(panicked[: at + 1]) for at in range(index))

    def delayed(self, now: float, reachable: bool) -> int:
        newest = self.undelayed(len(self.decisions) - 1)
        if not reachable or self.spec.scale_down_delay_s <= 0:
            return newest
        slots = math.ceil(self.spec.scale_down_delay_s / 2)
        return max(
            self.undelayed(at)
            for at, one in enumerate(self.decisions)
            if one["reachable"] and math.floor(now) // 2 - math.floor(one["at"]) // 2 < slots
        )

    def bounded_and_let_go(self, now: float, reachable: bool) -> int:
        """Upstream's scale(): -1 unknown; sets `scale` where something is to be done."""
        if self.decided == -1 and self.activity != "activating":
            return -1
        minimum = self.spec.min_scale if reachable else 0
        if reachable and not self.initialized and self.spec.initial_scale > 1:
            minimum = max(minimum, self.spec.initial_scale)
        want = max(self.decided, minimum)
        if self.spec.max_scale and self.decided > self.spec.max_scale and minimum <= self.decided:
            want = self.spec.max_scale
        if want > 0:
            self.scale = want
            return want
        return self.let_go(now, reachable)

    def let_go(self, now: float, reachable: bool) -> int:
        for_s = now - self.activity_since
        if not self.spec.enable_scale_to_zero:
            self.scale = 1
            return 1
        if self.activity == "activating":
            if for_s <= self.spec.progress_deadline_s + 30:
                return -1
            self.scale = 0
            return 0
        if self.activity == "active":
            if for_s < self.spec.stable_window_s:
                self.scale = 1
                return 1
            return 0
        retention_s = self.spec.retention_s if reachable else 0
        behind = self.spec.target_burst_capacity == -1 or self.proxied_since is not None
        proxied_s = now - self.proxied_since if self.proxied_since is not None else 0
        if behind and for_s >= retention_s and (for_s >= self.spec.grace_s or proxied_s >= self.spec.grace_s):
            self.scale = 0
        return 0

    def note_activity(self, now: float, want: int, ready: int, reachable: bool) -> None:
        minimum = self.spec.min_scale if reachable else 0
        enough = max(minimum, 1 if self.initialized else self.spec.initial_scale)
        self.initialized |= ready >= enough
        sleeps_on = want == -1 and self.activity == "inactive"
        after = "active" if ready >= enough else "activating"
        if want == 0 or enough == 0 or sleeps_on:
            after = "inactive"
        if after != self.activity:
            self.activity, self.activity_since = after, now
