"""Expected tables are those of Grafana's documentation of transformations, where it has one."""

from modelyard.board import frames


def frame(fields, *rows):
    return {"fields": fields, "rows": [list(row) for row in rows]}


def test_merge_joins_rows_that_agree_in_what_they_share():
    # "Merge series/tables": query A has Time, Job, Uptime and query B Time, Job, Errors
    uptime = frame(["Time", "Job", "Uptime"], ("11:34", "node", 25260), ("11:24", "postgre", 123001))
    errors = frame(["Time", "Job", "Errors"], ("11:34", "node", 15), ("11:24", "postgre", 5))
    (found,) = frames.merge([uptime, errors], {})
    assert found["fields"] == ["Time", "Job", "Uptime", "Errors"]
    assert found["rows"] == [["11:34", "node", 25260, 15], ["11:24", "postgre", 123001, 5]]


def test_merge_keeps_a_row_that_only_one_query_has_and_leaves_the_rest_empty():
    (found,) = frames.merge([frame(["v", "a"], ("1", 10), ("2", 20)), frame(["v", "b"], ("2", 5))], {})
    assert found["rows"] == [["1", 10, None], ["2", 20, 5]]


def test_merge_of_queries_without_an_answer_is_an_empty_table():
    assert frames.merge([frame(["Time", "Value #A"])], {})[0]["rows"] == []


def test_organize_hides_orders_and_renames():
    held = frame(["Time", "version", "Value #A", "name"], (1, "2", 0.5, "x"))
    (found,) = frames.organize(
        [held],
        {
            "excludeByName": {"Time": True},
            "indexByName": {"name": 0, "version": 1},
            "renameByName": {"Value #A": "accuracy"},
        },
    )
    assert found == frame(["name", "version", "accuracy"], ("x", "2", 0.5))


def test_grouping_to_matrix_as_grafana_documents_it():
    # "Grouping to Matrix": server IDs as columns, dates as rows, CPU temperatures in the cells
    held = frame(
        ["Server ID", "CPU Temperature", "Server Status"],
        ("server 1", 82, "OK"),
        ("server 2", 88.6, "OK"),
        ("server 3", 59.6, "Shutdown"),
    )
    (found,) = frames.grouping_to_matrix(
        [held], {"columnField": "Server Status", "rowField": "Server ID", "valueField": "CPU Temperature"}
    )
    assert found["fields"] == ["Server ID\\Server Status", "OK", "Shutdown"]
    assert found["rows"] == [["server 1", 82, None], ["server 2", 88.6, None], ["server 3", None, 59.6]]


def test_a_matrix_without_its_fields_is_empty_and_not_an_error():
    assert frames.grouping_to_matrix([frame(["Time", "Value"])], {"rowField": "range", "columnField": "side"}) == [
        frame(["range\\side"])
    ]


def test_numbers_that_labels_hold_as_text_are_sorted_as_numbers():
    (found,) = frames.sort_by([frame(["bin"], ("10",), ("9",), ("+Inf",))], {"sort": [{"field": "bin"}]})
    assert [row[0] for row in found["rows"]] == ["9", "10", "+Inf"]


def test_a_transformation_that_is_not_known_is_named():
    assert frames.transform([frame(["a"])], [{"id": "heatmapper"}]) == ([frame(["a"])], ["heatmapper"])


def test_the_name_of_a_value_tells_its_query_only_where_there_are_several():
    samples = [{"labels": {"__name__": "x", "v": "1"}, "value": 2.0}]
    assert frames.frame_of("B", samples, several=True, at_s=1)["fields"] == ["Time", "v", "Value #B"]
    assert frames.frame_of("B", samples, several=False, at_s=1)["fields"] == ["Time", "v", "Value"]
