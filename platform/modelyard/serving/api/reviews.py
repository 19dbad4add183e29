"""Reviews: who asks, and what may be done. There is one token, and it may do all that the API offers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from modelyard.serving.api import bodies
from modelyard.serving.api.calls import answer, read_body
from modelyard.serving.api.resources import ACCESS_REVIEWS, RESOURCES, RULES_REVIEWS, SELF_REVIEWS, Resource

Object = dict[str, Any]

USER = {"username": "yard", "groups": ["system:masters", "system:authenticated"]}
"""Who the yard's token stands for, as `kubectl auth whoami` tells it."""
STATUS_VERBS = ("get", "patch", "update")


def routes() -> list[BaseRoute]:
    """POST of each kind of review; nothing is stored."""
    made = {
        ACCESS_REVIEWS: lambda spec: access_status(spec.get("resourceAttributes")),
        RULES_REVIEWS: lambda _: rules_status(),
        SELF_REVIEWS: lambda _: {"userInfo": USER},
    }

    def endpoint(kind: Resource, status_of: Any) -> Any:
        async def review(request: Request) -> Response:
            body = await read_body(request)
            asked = bodies.decode(body, request.headers.get("content-type"), bodies.OBJECT_TYPES, kind.kind)
            spec = asked.get("spec") if isinstance(asked, dict) else None
            spec = spec if isinstance(spec, dict) else {}
            told: Object = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": {}, "spec": spec}
            return answer({**told, "status": status_of(spec)}, 201)

        return review

    return [
        Route(f"{kind.prefix}/{kind.plural}", endpoint(kind, status_of), methods=["POST"])
        for kind, status_of in made.items()
    ]


def access_status(attributes: Any) -> Object:
    """Whether something may be done: not what a kind that is only read refuses to everybody."""
    asked = attributes if isinstance(attributes, dict) else {}
    verb, part = asked.get("verb", "*"), asked.get("subresource", "")
    for kind in RESOURCES:
        if (kind.plural, kind.group) == (asked.get("resource"), asked.get("group", "")):
            offered = dict(_offered(kind))
            name = f"{kind.plural}/{part}" if part else kind.plural
            taken = offered.get(name, ())
            if verb not in ("*", *taken):
                return {"allowed": False, "reason": f"{name} takes {', '.join(taken) or 'nothing'}"}
    return {"allowed": True, "reason": "the yard's token may do everything"}


def rules_status() -> Object:
    """Everything that may be done, as `kubectl auth can-i --list` tells it."""
    rules = [
        {"verbs": sorted(verbs), "apiGroups": [kind.group], "resources": [name]}
        for kind in RESOURCES
        for name, verbs in _offered(kind)
    ]
    paths = [{"verbs": ["get"], "nonResourceURLs": ["*"]}]
    return {"resourceRules": rules, "nonResourceRules": paths, "incomplete": False}


def _offered(kind: Resource) -> Iterator[tuple[str, tuple[str, ...]]]:
    """A kind and its subresources with their verbs."""
    yield kind.plural, kind.verbs
    if kind.has_status:
        yield f"{kind.plural}/status", STATUS_VERBS
    if kind.has_log:
        yield f"{kind.plural}/log", ("get",)
