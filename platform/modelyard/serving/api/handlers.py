"""The reading verbs: get, list and watch."""

from __future__ import annotations

from starlette.responses import Response, StreamingResponse

from modelyard.serving.api import watch
from modelyard.serving.api.calls import Call, answer
from modelyard.serving.api.query import flag, watch_options


def list_or_watch(call: Call) -> Response:
    """GET of a collection."""
    selection = call.selection()
    if flag(call.query, "watch"):
        watched = watch.Watched(call.stored, call.namespace, selection, call.encoder)
        lines = watch.stream(call.store, watched, watch_options(call.query))
        return StreamingResponse(lines, media_type="application/json")
    if call.is_plain_list(selection):
        # The objects are not decoded to be encoded again: that would be nine tenths of the work.
        bodies, version = call.store.list_encoded(call.stored, call.namespace)
        return Response(call.encoder.joined(bodies, version), media_type="application/json")
    items, version = call.listed()
    return answer(call.encoder.many([item for item in items if selection.matches(item)], version))


def get(call: Call) -> Response:
    """GET of an object."""
    return answer(call.encoder.one(call.present()))
