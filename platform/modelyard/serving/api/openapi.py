"""OpenAPI v3: what kubectl needs before it creates, applies or replaces."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from modelyard.serving.api.resources import RESOURCES, Resource

Object = dict[str, Any]


def group_paths() -> dict[str, list[Resource]]:
    """Kinds by the path of their group and version, without the first slash."""
    found: dict[str, list[Resource]] = {}
    for kind in RESOURCES:
        found.setdefault(kind.prefix.lstrip("/"), []).append(kind)
    return found


def document(kinds: list[Resource]) -> Object:
    """The document of a group and version.

    kubectl looks for a patch operation of the kind with a parameter `fieldValidation`; with it, validation is ours.
    """
    parameter = {"name": "fieldValidation", "in": "query", "schema": {"type": "string", "uniqueItems": True}}
    paths = {}
    for kind in kinds:
        scope = "/namespaces/{namespace}" if kind.namespaced else ""
        named = {"group": kind.group, "version": kind.version, "kind": kind.kind}
        patch = {"parameters": [parameter], "responses": {}, "x-kubernetes-group-version-kind": named}
        paths[f"{kind.prefix}{scope}/{kind.plural}/{{name}}"] = {"patch": patch}
    info = {"title": "modelyard", "version": "v1.34.1"}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": {}}}


def routes() -> list[BaseRoute]:
    """The index and one document a group and version."""

    async def index(_: Request) -> Response:
        paths = {path: {"serverRelativeURL": f"/openapi/v3/{path}"} for path in group_paths()}
        return Response(orjson.dumps({"paths": paths}), media_type="application/json")

    async def one(request: Request) -> Response:
        kinds = group_paths().get(request.path_params["path"])
        if kinds is None:
            return Response("404 page not found\n", 404, media_type="text/plain")
        return Response(orjson.dumps(document(kinds)), media_type="application/json")

    return [Route("/openapi/v3", index), Route("/openapi/v3/{path:path}", one)]
