"""From raw flights to what the model is given: fifteen things known at push-back, and the class to be predicted.

    python features.py              data/flights.parquet -> data/features.parquet (a stage of dvc.yaml)

This file is logged with every run, so that a version of the model can always be asked through its own features.
"""

from pathlib import Path
from typing import Any

import pandas as pd

CATEGORICAL = ["carrier", "origin", "dest"]
NUMERICAL = [
    *("distance", "sched_min", "weekday", "dep_delay", "sched_block", "load_hour"),
    *("dewp", "humid", "wind_speed", "precip", "pressure", "visib"),
]
FEATURES = [*CATEGORICAL, *NUMERICAL]

CLASSES = ["early", "on_time", "late", "very_late"]

RULE_GAINED_MIN = 8
"""The rule of thumb that a model must beat: an aircraft makes up eight minutes on its way."""


def make_features(flights: pd.DataFrame, params: dict[str, Any]) -> pd.DataFrame:
    """The fifteen features of each flight: three strings, twelve floats (a missing value is NaN).

    Args:
        flights: raw flights, as flights.py writes them.
        params: the section `features` of params.yaml.
    """
    departure = minute_of_day(flights["sched_dep_time"])
    features = pd.DataFrame(
        {
            "carrier": flights["carrier"],
            "origin": flights["origin"],
            "dest": flights["dest"],
            "distance": flights["distance"],
            "sched_min": departure,
            "weekday": local_day(flights).dt.weekday,
            "dep_delay": flights["dep_delay"] / {"minutes": 1, "hours": 60}[params["dep_delay_unit"]],
            "sched_block": scheduled_block_min(flights),
            "load_hour": flights["load_hour"],
            **{column: flights[column] for column in NUMERICAL[6:]},
        }
    )
    return features.astype(dict.fromkeys(NUMERICAL, "float64"))


def class_of(delay_min: pd.Series) -> pd.Series:
    """Class of an arrival: early <= -15 < on_time < 15 <= late <= 60 < very_late; missing stays missing."""
    named = pd.Series("on_time", index=delay_min.index, dtype=object)
    named[delay_min <= -15] = "early"
    named[delay_min >= 15] = "late"
    named[delay_min > 60] = "very_late"
    named[delay_min.isna()] = None
    return named


def class_by_rule(flights: pd.DataFrame) -> pd.Series:
    """What somebody without a model would say at push-back."""
    return class_of(flights["dep_delay"] - RULE_GAINED_MIN)


def departed(flights: pd.DataFrame) -> pd.DataFrame:
    """Flights that were pushed back: the cancelled ones never come to be asked about."""
    return flights[flights["dep_delay"].notna()]


def held_out(flights: pd.DataFrame, fold: int) -> pd.Series:
    """Whether a flight belongs to the fifth that is never trained on."""
    return flights["id"] % 5 == fold


def scheduled_block_min(flights: pd.DataFrame) -> pd.Series:
    """Scheduled minutes from gate to gate. Both times are local in the timetable, so both go to UTC first."""
    leaves = flights["time_hour"] + pd.to_timedelta(flights["sched_dep_time"] % 100, unit="min")
    arrives_local = local_day(flights) + pd.to_timedelta(minute_of_day(flights["sched_arr_time"]), unit="min")
    block = pd.Series(0.0, index=flights.index)
    for zone, group in arrives_local.groupby(flights["dest_zone"]):
        arrives = group.dt.tz_localize(zone, ambiguous=False, nonexistent="shift_forward").dt.tz_convert("UTC")
        block[group.index] = (arrives - leaves[group.index]).dt.total_seconds() / 60
    return block.where(block > 0, block + 24 * 60)  # arrives on the next day


def minute_of_day(clock: pd.Series) -> pd.Series:
    """Minutes since midnight of a time written as hour * 100 + minute."""
    return clock // 100 * 60 + clock % 100


def local_day(flights: pd.DataFrame) -> pd.Series:
    """New York's day of the scheduled departure."""
    return pd.to_datetime({"year": 2013, "month": flights["month"], "day": flights["day"]})


def main() -> None:
    """The stage: features, class, and what the split and the baseline need."""
    import yaml

    params = yaml.safe_load(Path("params.yaml").read_text())
    flights = departed(pd.read_parquet("data/flights.parquet"))
    flights = flights[flights["arr_delay"].notna()]
    table = make_features(flights, params["features"]).assign(
        id=flights["id"],
        day=local_day(flights),
        by_rule=class_by_rule(flights),
        truth=class_of(flights["arr_delay"]),
    )
    table.to_parquet("data/features.parquet", index=False)
    print(f"data/features.parquet: {len(table):,} flights, {len(FEATURES)} features")


if __name__ == "__main__":
    main()
