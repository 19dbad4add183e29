"""Tables from instant queries, and Grafana's transformations that the dashboards use, as pure functions.

A frame is `{"fields": [name, ...], "rows": [[value, ...], ...]}`. Behaviour after Grafana's documentation of
transformations (grafana.com/docs/grafana/latest/panels-visualizations/query-transform-data/transform-data/).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Frame = dict[str, Any]
Sample = Mapping[str, Any]


def frame_of(ref_id: str, samples: Sequence[Sample], *, several: bool, at_s: float) -> Frame:
    """One query's answer as Grafana's table: Time, each label, and `Value` (`Value #REF` where there are several)."""
    labels = sorted({name for sample in samples for name in sample["labels"] if name != "__name__"})
    value = f"Value #{ref_id}" if several else "Value"
    rows = [[at_s * 1000, *(sample["labels"].get(name, "") for name in labels), sample["value"]] for sample in samples]
    return {"fields": ["Time", *labels, value], "rows": rows}


def transform(frames: Sequence[Frame], transformations: Sequence[Mapping[str, Any]]) -> tuple[list[Frame], list[str]]:
    """Apply transformations in their order.

    Returns:
        The frames, and the names of transformations that are not known here and were passed over.
    """
    held, unknown = list(frames), []
    for step in transformations:
        if step.get("disabled"):
            continue
        apply = KNOWN.get(step["id"])
        if apply is None:
            unknown.append(step["id"])
            continue
        held = apply(held, step.get("options") or {})
    return held, unknown


def merge(frames: Sequence[Frame], options: Mapping[str, Any]) -> list[Frame]:
    """One frame whose rows are joined where every field that they share is equal."""
    filled = [frame for frame in frames if frame["rows"]]
    if not filled:
        return [{"fields": list(dict.fromkeys(name for frame in frames for name in frame["fields"])), "rows": []}]
    fields = list(dict.fromkeys(name for frame in filled for name in frame["fields"]))
    shared = [name for name in fields if all(name in frame["fields"] for frame in filled)]
    joined: dict[tuple[Any, ...], dict[str, Any]] = {}
    for frame in filled:
        for row in frame["rows"]:
            named = dict(zip(frame["fields"], row, strict=True))
            joined.setdefault(tuple(named[name] for name in shared), {}).update(named)
    return [{"fields": fields, "rows": [[row.get(name) for name in fields] for row in joined.values()]}]


def organize(frames: Sequence[Frame], options: Mapping[str, Any]) -> list[Frame]:
    """Leave fields out, put them in order, rename them."""
    hidden, order = options.get("excludeByName", {}), options.get("indexByName", {})
    renamed, kept = options.get("renameByName", {}), options.get("includeByName") or {}
    made = []
    for frame in frames:
        fields = [name for name in frame["fields"] if not hidden.get(name) and (not kept or kept.get(name))]
        fields.sort(key=lambda name: order.get(name, len(order)))
        places = [frame["fields"].index(name) for name in fields]
        rows = [[row[place] for place in places] for row in frame["rows"]]
        made.append({"fields": [renamed.get(name) or name for name in fields], "rows": rows})
    return made


def filter_fields(frames: Sequence[Frame], options: Mapping[str, Any]) -> list[Frame]:
    """Keep the fields that are named."""
    names = (options.get("include") or {}).get("names")
    return organize(frames, {"includeByName": dict.fromkeys(names, True)}) if names else list(frames)


def sort_by(frames: Sequence[Frame], options: Mapping[str, Any]) -> list[Frame]:
    """Sort rows by a field: numbers as numbers, also where labels hold them as text."""
    made = list(frames)
    for sort in reversed(options.get("sort", [])):
        made = [_sorted(frame, sort["field"], bool(sort.get("desc"))) for frame in made]
    return made


def _sorted(frame: Frame, field: str, descending: bool) -> Frame:
    if field not in frame["fields"]:
        return frame
    place = frame["fields"].index(field)
    rows = sorted(frame["rows"], key=lambda row: sort_key(row[place]), reverse=descending)
    return {"fields": frame["fields"], "rows": rows}


def sort_key(value: Any) -> tuple[int, float, str]:
    """Numbers before text before nothing."""
    if value is None:
        return (2, 0.0, "")
    try:
        return (0, float(value), "")
    except (TypeError, ValueError):
        return (1, 0.0, str(value))


def limit(frames: Sequence[Frame], options: Mapping[str, Any]) -> list[Frame]:
    """The first rows of each frame."""
    most = int(options.get("limitField") or 10)
    return [{"fields": frame["fields"], "rows": frame["rows"][:most]} for frame in frames]


def grouping_to_matrix(frames: Sequence[Frame], options: Mapping[str, Any]) -> list[Frame]:
    """A row for each value of one field, a column for each of another, and a third field in the cells."""
    row_field, column_field = options.get("rowField", "Time"), options.get("columnField", "Time")
    value_field = options.get("valueField", "Value")
    empty = {"zero": 0, "false": False, "true": True}.get(options.get("emptyValue", ""))
    made: list[Frame] = []
    for frame in frames:
        corner = f"{row_field}\\{column_field}"
        if not {row_field, column_field, value_field} <= set(frame["fields"]):
            made.append({"fields": [corner], "rows": []})
            continue
        at = [frame["fields"].index(name) for name in (row_field, column_field, value_field)]
        triples = [tuple(row[place] for place in at) for row in frame["rows"]]
        cells = {(row, column): value for row, column, value in triples}
        columns = list(dict.fromkeys(column for _, column, _ in triples))
        rows = [
            [row, *(cells.get((row, column), empty) for column in columns)]
            for row in dict.fromkeys(row for row, _, _ in triples)
        ]
        made.append({"fields": [corner, *map(str, columns)], "rows": rows})
    return made


KNOWN = {
    "merge": merge,
    "organize": organize,
    "filterFieldsByName": filter_fields,
    "sortBy": sort_by,
    "limit": limit,
    "groupingToMatrix": grouping_to_matrix,
}
