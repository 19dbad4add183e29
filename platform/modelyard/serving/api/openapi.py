"""OpenAPI v3: what kubectl needs before it creates, applies or replaces, and what `kubectl explain` reads."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from modelyard.serving.api import schemas
from modelyard.serving.api.resources import RESOURCES, Resource

Object = dict[str, Any]

META_NAME = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
ONE_YEAR = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Document:
    """An encoded document: its gzipped bytes, and the hash by which clients keep it."""

    packed: bytes
    hash: str


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
    paths: Object = {}
    for kind in kinds:
        scope = "/namespaces/{namespace}" if kind.namespaced else ""
        operation: Object = {"x-kubernetes-group-version-kind": _named(kind), "responses": {}}
        path = f"{kind.prefix}{scope}/{kind.plural}"
        paths[path] = {"get": {**operation, "x-kubernetes-action": "list"}}
        paths[f"{path}/{{name}}"] = {"get": operation, "patch": {**operation, "parameters": [parameter]}}
    info = {"title": "modelyard", "version": "v1.34.1"}
    held = {_schema_name(kind): _schema(kind) for kind in kinds} | {META_NAME: schemas.OBJECT_META}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": held}}


@cache
def packed(path: str) -> Document:
    """The document of a group and version, encoded once: KServe's schema is 636 kB, 24 kB gzipped."""
    encoded = orjson.dumps(document(group_paths()[path]))
    return Document(gzip.compress(encoded, mtime=0), hashlib.sha256(encoded).hexdigest()[:32].upper())


def routes() -> list[BaseRoute]:
    """The index and one document a group and version."""

    async def index(_: Request) -> Response:
        urls = {path: f"/openapi/v3/{path}?hash={packed(path).hash}" for path in group_paths()}
        listed = {path: {"serverRelativeURL": url} for path, url in urls.items()}
        return Response(orjson.dumps({"paths": listed}), media_type="application/json")

    async def one(request: Request) -> Response:
        path = request.path_params["path"]
        if path not in group_paths():
            return PlainTextResponse("404 page not found\n", 404)
        return _answer(request, packed(path))

    return [Route("/openapi/v3", index), Route("/openapi/v3/{path:path}", one)]


def _answer(request: Request, held: Document) -> Response:
    headers = {"ETag": f'"{held.hash}"', "Vary": "Accept-Encoding, Accept"}
    if request.query_params.get("hash") == held.hash:
        headers["Cache-Control"] = ONE_YEAR
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(held.packed, headers=headers, media_type="application/json")
    return Response(gzip.decompress(held.packed), headers=headers, media_type="application/json")


def _named(kind: Resource) -> Object:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _schema_name(kind: Resource) -> str:
    if not kind.group:
        return f"io.k8s.api.core.{kind.version}.{kind.kind}"
    return ".".join([*reversed(kind.group.split(".")), kind.version, kind.kind])


def _schema(kind: Resource) -> Object:
    held = schemas.schema_of(kind.plural)
    meta = {"allOf": [{"$ref": f"#/components/schemas/{META_NAME}"}], "default": {}}
    text = {"type": "string"}
    properties = {**held["properties"], "apiVersion": text, "kind": text, "metadata": meta}
    return {**held, "properties": properties, "x-kubernetes-group-version-kind": [_named(kind)]}
