import numpy as np

from modelyard.registry.scoring import frame_of

COLUMNS = {"carrier": False, "dewp": True, "weekday": True}


def test_rows_as_json_become_the_columns_and_types_of_the_signature():
    frame = frame_of([{"weekday": 6, "dewp": None, "carrier": "UA", "extra": 1}, {"carrier": None}], COLUMNS)
    assert list(frame.columns) == ["carrier", "dewp", "weekday"]
    assert frame["dewp"].dtype == np.float64
    assert frame["weekday"].dtype == np.float64
    assert frame["weekday"].tolist()[0] == 6.0
    assert frame["dewp"].isna().all()
    assert frame["carrier"].tolist() == ["UA", None]
