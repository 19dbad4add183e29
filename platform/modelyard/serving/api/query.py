"""What a request asks for beside its path: query parameters and the representation of the answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from modelyard.serving.api.errors import ApiError, bad_request, invalid

TRUE = {"1", "t", "T", "true", "TRUE", "True"}
FALSE = {"", "0", "f", "F", "false", "FALSE", "False"}
"""Go's strconv.ParseBool; the Python client sends `True` (kubernetes 35) or `true` (37)."""

JSON, TABLE, PARTIAL, PARTIAL_LIST = "json", "table", "partial", "partial-list"
_FORMS = {"Table": TABLE, "PartialObjectMetadata": PARTIAL, "PartialObjectMetadataList": PARTIAL_LIST}


@dataclass(frozen=True)
class WatchOptions:
    """What a watch asks for; `since` None means: the present state as ADDED first."""

    since: int | None
    timeout_s: float | None
    bookmarks: bool
    initial_events_end: bool


def flag(query: Mapping[str, str], name: str) -> bool:
    """A boolean query parameter; absent is false.

    Raises:
        ApiError: 400, it is none of the forms that Go knows.
    """
    value = query.get(name, "")
    if value in TRUE:
        return True
    if value in FALSE:
        return False
    raise bad_request(f'strconv.ParseBool: parsing "{value}": invalid syntax')


def is_dry_run(query: Mapping[str, str], body: object = None) -> bool:
    """Whether nothing may be stored: `dryRun=All` in the query, or in DeleteOptions as kubectl sends it.

    Raises:
        ApiError: 422, any other value.
    """
    asked = [query["dryRun"]] if query.get("dryRun") else []
    if isinstance(body, dict):
        asked += body.get("dryRun") or []
    if any(value != "All" for value in asked):
        told = f'Unsupported value: "{asked[0]}": supported values: "All"'
        cause = {"reason": "FieldValueNotSupported", "message": told, "field": "dryRun"}
        raise invalid("Options", "meta.k8s.io", "", [cause])
    return bool(asked)


def watch_options(query: Mapping[str, str]) -> WatchOptions:
    """The options of a watch.

    Raises:
        ApiError: 400 for a number that is none; 422 for options that do not go together.
    """
    version = _number(query, "resourceVersion") or 0
    match = query.get("resourceVersionMatch", "")
    initial = query.get("sendInitialEvents")
    wanted = initial is not None and flag(query, "sendInitialEvents")
    if (initial is not None) != bool(match) or match not in ("", "NotOlderThan"):
        told = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan, and the reverse"
        raise invalid(
            "ListOptions", "meta.k8s.io", "", [{"reason": "FieldValueForbidden", "message": told, "field": "watch"}]
        )
    bookmarks = flag(query, "allowWatchBookmarks")
    timeout_s = _number(query, "timeoutSeconds")
    return WatchOptions(
        since=None if wanted or (version == 0 and initial is None) else version,
        timeout_s=float(timeout_s) if timeout_s else None,
        bookmarks=bookmarks,
        initial_events_end=wanted and bookmarks,
    )


def representation(accept: str) -> str:
    """The first form of the Accept header that is served; JSON where none is, because a 406 ends kubectl's command."""
    for part in accept.split(","):
        media, *parameters = (item.strip() for item in part.split(";"))
        values = dict(item.split("=", 1) for item in parameters if "=" in item)
        form = values.get("as")
        if media not in ("application/json", "*/*", "application/*"):
            continue
        if form is None:
            return JSON
        if form in _FORMS and values.get("v") == "v1" and values.get("g") == "meta.k8s.io":
            return _FORMS[form]
    return JSON


def wants_aggregated_discovery(accept: str) -> bool:
    """Whether `/api` and `/apis` are asked for as one APIGroupDiscoveryList of version v2."""
    parts = {re.sub(r"\s", "", item) for item in accept.split(",")}
    wanted = {"application/json", "g=apidiscovery.k8s.io", "v=v2", "as=APIGroupDiscoveryList"}
    return any(wanted <= set(part.split(";")) for part in parts)


def _number(query: Mapping[str, str], name: str) -> int | None:
    value = query.get(name)
    if not value:
        return None
    if not re.fullmatch("[0-9]{1,19}", value):
        raise ApiError(400, "BadRequest", f'strconv.ParseUint: parsing "{value[:100]}": invalid syntax ({name})')
    return int(value)
