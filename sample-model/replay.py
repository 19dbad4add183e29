"""Traffic to replay: flights of a period as the airline's service would ask about them, in random order.

    python replay.py july 3000 0 out.ndjson     phase, rows (0: all), seed, file

One JSON object a line: {"id": ..., "features": {...}, "truth": class or null}. The service computes the features with
its own copy of the feature code, in minutes: it does not know what somebody has changed in training.
"""

import json
import sys
from pathlib import Path

import pandas as pd

from features import FEATURES, class_of, departed, held_out, make_features
from flights import load_months

SERVICE = {"dep_delay_unit": "minutes"}
HELD_OUT = 2
MONTHS = {"heldout": [1, 2, 3], "july": [7], "august": [8], "september": [9]}


def flights_of(phase: str) -> pd.DataFrame:
    """Flights of a phase that were pushed back; `heldout` is the fifth of January to March that no model has seen."""
    flights = departed(load_months(MONTHS[phase]))
    return flights[held_out(flights, HELD_OUT)] if phase == "heldout" else flights


def write_traffic(phase: str, rows: int, seed: int, out: Path) -> int:
    """Write up to `rows` shuffled flights (0: all of the phase) and return how many they are."""
    flights = flights_of(phase).sample(frac=1, random_state=seed)
    flights = flights.head(rows) if rows else flights
    features = make_features(flights, SERVICE)
    sent = features.astype(object).where(features.notna(), None)  # JSON has no NaN
    columns = [sent[name].tolist() for name in FEATURES]
    truths = class_of(flights["arr_delay"]).tolist()
    part = out.with_suffix(".part")
    with part.open("w", encoding="utf-8") as lines:
        for number, truth, *values in zip(flights["id"].tolist(), truths, *columns, strict=True):
            line = {"id": number, "features": dict(zip(FEATURES, values, strict=True)), "truth": truth}
            lines.write(json.dumps(line, allow_nan=False) + "\n")
    part.replace(out)
    return len(flights)


if __name__ == "__main__":
    wanted, count, chance, path = sys.argv[1:]
    print(f"{write_traffic(wanted, int(count), int(chance), Path(path)):,} flights of {wanted} in {path}")
