"""The exposition, as Prometheus' own client parses it."""

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from modelyard.monitor.metrics import make_registry, report_histogram
from modelyard.monitor.queries import TrafficChange, VersionView

DRIFT = {
    "columns": {"dewp": 3.7, "humid": None},
    "thresholds": {"dewp": 1.5},
    "distributions": {"dewp": {"ranges": ["below 40", "40 and more"], "trained_on": [0.9, 0.1], "now": [0.2, 0.8]}},
    "columns_drifted": 1,
    "share_ratio": 0.5,
    "breaches_in_a_row": 2,
    "prediction": {"early": 0.0, "late": 1.0},
}
QUALITY = {
    "accuracy": 0.61,
    "log_loss": None,
    "recall": {"early": 0.3, "late": None},
    "breaches_in_a_row": {"early": 1},
}


def view(model_version: str, run_id: str = "r", *, last_seq: int = 1, measured: bool = True) -> VersionView:
    return VersionView(
        version=last_seq,
        namespace="default",
        inferenceservice="flights",
        model_version=model_version,
        run_id=run_id,
        rows=100 * last_seq,
        truths=5,
        last_seq=last_seq,
        config_state="ready",
        config_error="",
        windows={("drift", "done"): 3, ("drift", "waiting"): 1} if measured else {},
        last_drift=DRIFT if measured else None,
        last_quality=QUALITY if measured else None,
        confusions={("early", "early"): 7, ("early", "late"): 2} if measured else {},
    )


class Held:
    """A reader over what is given."""

    def __init__(self, *views: VersionView, revisions=None, traffic=None, changes=()) -> None:
        self._views, self._revisions, self._traffic, self._changes = views, revisions or {}, traffic or {}, changes

    def revisions(self):
        return self._revisions

    def traffic(self):
        return self._traffic

    def changes(self):
        return list(self._changes)

    def versions(self):
        return list(self._views)

    def outcomes(self):
        return {"pair": 4}

    def report_seconds(self):
        return []

    def backlog(self, *, hoping_since):
        return {"events": 1, "windows": 2}


def series(reader: Held, in_traffic=lambda service, version: True) -> dict[tuple, float]:
    text = generate_latest(make_registry(reader, in_traffic, lambda: 10)).decode()
    families = text_string_to_metric_families(text)
    return {
        (
            sample.name.removeprefix("modelyard_monitor_"),
            tuple(v for k, v in sorted(sample.labels.items()) if k not in FIXED),
        ): sample.value
        for family in families
        for sample in family.samples
    }


FIXED = ("namespace", "inferenceservice")


def test_every_figure_of_a_version_has_its_series():
    held = series(Held(view("1")))
    expected = {
        ("rows_total", ("1",)): 100,
        ("truths_total", ("1",)): 5,
        ("windows_total", ("drift", "1")): 3,
        ("windows_total", ("quality", "1")): 0,
        ("column_drift", ("dewp", "1")): 3.7,
        ("column_drift_threshold", ("dewp", "1")): 1.5,
        ("distribution_ratio", ("00", "dewp", "1", "below 40", "trained on")): 0.9,
        ("distribution_ratio", ("00", "dewp", "1", "below 40", "now")): 0.2,
        ("distribution_ratio", ("01", "dewp", "1", "40 and more", "trained on")): 0.1,
        ("distribution_ratio", ("01", "dewp", "1", "40 and more", "now")): 0.8,
        ("columns_drifted", ("1",)): 1,
        ("drifted_share_ratio", ("1",)): 0.5,
        ("drift_breaches_in_a_row", ("1",)): 2,
        ("prediction_ratio", ("early", "1")): 0,
        ("prediction_ratio", ("late", "1")): 1,
        ("accuracy_ratio", ("1",)): 0.61,
        ("recall_ratio", ("early", "1")): 0.3,
        ("recall_breaches_in_a_row", ("early", "1")): 1,
        ("wrong_predictions_total", ("1", "late", "early")): 2,
        ("events_total", ("pair",)): 4,
        ("backlog", ("events",)): 11,
        ("backlog", ("windows",)): 2,
    }
    assert {key: held.get(key) for key in expected} == expected


def test_what_was_not_measured_has_no_series():
    held = series(Held(view("1")))
    assert ("column_drift", ("humid", "1")) not in held
    assert ("log_loss", ("1",)) not in held and ("recall_ratio", ("late", "1")) not in held
    assert ("wrong_predictions_total", ("1", "early", "early")) not in held
    fresh = {name for name, _ in series(Held(view("1", measured=False)))}
    assert "rows_total" in fresh
    assert not fresh & {"column_drift", "drift_breaches_in_a_row", "accuracy_ratio", "recall_breaches_in_a_row"}


def test_a_version_without_traffic_has_no_series_at_all():
    held = series(Held(view("1"), view("2", last_seq=2)), lambda service, version: version == "2")
    assert {key for key in held if "1" in key[1]} == set()
    assert held["rows_total", ("2",)] == 200


def test_two_runs_of_one_version_number_give_one_series_of_the_newer_rows():
    held = series(Held(view("1", "new", last_seq=9), view("1", "old", last_seq=3)))
    assert held["rows_total", ("1",)] == 900


def test_the_histogram_of_report_times_adds_up():
    (count, total), buckets = (3, 4.5), {}
    for sample in report_histogram([0.5, 1.2, 2.8]).samples:
        if sample.name.endswith("_bucket"):
            buckets[sample.labels["le"]] = sample.value
        elif sample.name.endswith("_sum"):
            assert sample.value == total
        elif sample.name.endswith("_count"):
            assert sample.value == count
    assert buckets["0.5"] == 1 and buckets["1.5"] == 2 and buckets["3.0"] == 3 and buckets["+Inf"] == 3


FLIGHTS, OTHERS = ("default", "flights"), ("default", "others")


def test_the_newest_revisions_of_an_inferenceservice_that_is_there_tell_their_model_version():
    known = {("u", f"flights-predictor-{number:05d}"): (*FLIGHTS, str(number)) for number in range(1, 13)}
    gone = {("old", "flights-predictor-00001"): (*FLIGHTS, "0"), ("x", "others-predictor-00001"): (*OTHERS, "1")}
    held = series(Held(revisions={**known, **gone}, traffic={FLIGHTS: ("u", ["flights-predictor-00012"])}))
    told = {key[1] for key in held if key[0] == "revision_info"}
    assert told == {(str(number), f"flights-predictor-{number:05d}") for number in range(3, 13)}


def test_a_change_of_the_traffic_tells_when_it_was_and_the_later_of_two_alike():
    changes = [
        TrafficChange("u", FLIGHTS, "1", "promoted", 10.0),
        TrafficChange("u", FLIGHTS, "2", "canary", 20.0),
        TrafficChange("u", FLIGHTS, "2", "rolled back", 30.0),
        TrafficChange("u", FLIGHTS, "2", "canary", 40.0),
        TrafficChange("x", OTHERS, "1", "promoted", 50.0),
    ]
    held = series(Held(changes=changes, traffic={FLIGHTS: ("u", [])}))
    told = {key[1]: value for key, value in held.items() if key[0] == "traffic_change_timestamp_seconds"}
    assert told == {("promoted", "1"): 10, ("canary", "2"): 40, ("rolled back", "2"): 30}


def test_changes_that_are_long_over_are_forgotten_so_that_series_stay_few():
    changes = [TrafficChange("u", FLIGHTS, str(number), "promoted", float(number)) for number in range(100)]
    held = series(Held(changes=changes, traffic={FLIGHTS: ("u", [])}))
    assert {key[1] for key in held if key[0].startswith("traffic_change")} == {
        ("promoted", str(number)) for number in range(90, 100)
    }
