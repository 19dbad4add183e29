"""The ASGI application: routes made from the list of kinds, a bearer token on everything."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from modelyard.serving.api import deletions, discovery, errors, handlers, managed_fields, openapi, reviews, writes
from modelyard.serving.api.calls import Call, answer, read_call
from modelyard.serving.api.logs import log_answer
from modelyard.serving.api.namespaces import ensure_namespace
from modelyard.serving.api.query import wants_aggregated_discovery
from modelyard.serving.api.resources import PODS, RESOURCES, Resource
from modelyard.serving.nodes import keep_node
from modelyard.serving.store import Store, StoreError

Endpoint = Callable[[Request], Awaitable[Response]]
Handler = Callable[[Call], Response]

COLLECTION: dict[str, Handler] = {
    "GET": handlers.list_or_watch,
    "POST": writes.create,
    "DELETE": deletions.delete_collection,
}
OBJECT: dict[str, Handler] = {
    "GET": handlers.get,
    "PUT": writes.replace,
    "PATCH": writes.patch,
    "DELETE": deletions.delete,
}
STATUS: dict[str, Handler] = {
    "GET": handlers.get,
    "PUT": writes.replace_status,
    "PATCH": writes.patch_status,
}
VERBS = {
    ("GET", False): "list",
    ("POST", False): "create",
    ("DELETE", False): "deletecollection",
    ("GET", True): "get",
    ("PUT", True): "update",
    ("PATCH", True): "patch",
    ("DELETE", True): "delete",
}
"""Kubernetes' verb by (method, whether the path names an object)."""
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class BearerToken:
    """Lets only requests with the token through; everybody else gets a 401 Status."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._wanted = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            sent = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(sent, self._wanted):
                refused = errors.unauthorized()
                await answer(refused.body(), refused.code)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def create_app(
    store: Store,
    *,
    token: str,
    extra_routes: Sequence[BaseRoute] = (),
    namespaces: Iterable[str] = ("default", "kube-system"),
    logs: Path | None = None,
    gpus: int = 0,
) -> ASGIApp:
    """The Kubernetes API over a store.

    Args:
        store: where the objects are.
        token: every request must bring it as `Authorization: Bearer TOKEN`.
        extra_routes: more Starlette routes behind the same token, such as /metrics.
        namespaces: made where they are not there yet.
        logs: folder of the replicas' logs, NAME.log; without it pods have none.
        gpus: devices of this machine that the node tells of.
    """
    store.track_status = managed_fields.track_status
    keep_node(store, gpus=gpus)
    for name in namespaces:
        ensure_namespace(store, name)
    routes = [*extra_routes, *_discovery_routes(), *openapi.routes()]
    for resource in RESOURCES:
        routes += _resource_routes(store, resource)
    if logs is not None:
        routes.append(_log_route(store, logs))
    app = Starlette(
        routes=routes,
        exception_handlers={
            404: _page_not_found,
            405: _page_not_found,
            errors.ApiError: _refused,
            Exception: _failed,
        },
    )
    app.router.redirect_slashes = False
    return BearerToken(app, token)


def _resource_routes(store: Store, resource: Resource) -> list[BaseRoute]:
    collection, prefix = _endpoint(store, resource, COLLECTION, False), resource.prefix
    one = _endpoint(store, resource, OBJECT, True)
    status = _endpoint(store, resource, STATUS, True)
    within = (
        f"{prefix}/namespaces/{{namespace}}/{resource.plural}" if resource.namespaced else f"{prefix}/{resource.plural}"
    )
    routes: list[BaseRoute] = [
        Route(within, collection, methods=METHODS),
        Route(f"{within}/{{name}}", one, methods=METHODS),
    ]
    if resource.has_status:
        routes.append(Route(f"{within}/{{name}}/status", status, methods=METHODS))
    if resource.namespaced:
        routes.append(Route(f"{prefix}/{resource.plural}", collection, methods=["GET"]))
    return routes


def _endpoint(store: Store, resource: Resource, handled: dict[str, Handler], names_object: bool) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        verb = VERBS.get((request.method, names_object), request.method.lower())
        handler = handled.get(request.method)
        if handler is None or verb not in resource.verbs:
            raise errors.method_not_allowed(resource, verb)
        call = await read_call(request, store, resource)
        try:
            return handler(call)
        except StoreError as error:
            raise errors.from_store(error, resource) from error

    return endpoint


def _log_route(store: Store, logs: Path) -> BaseRoute:
    async def log(request: Request) -> Response:
        if request.method != "GET":
            raise errors.method_not_allowed(PODS, request.method.lower())
        path = request.path_params
        return log_answer(logs, store, path["namespace"], path["name"], request.query_params)

    return Route(f"{PODS.prefix}/namespaces/{{namespace}}/{PODS.plural}/{{name}}/log", log, methods=METHODS)


def _discovery_routes() -> list[BaseRoute]:
    async def version(_: Request) -> Response:
        return answer(discovery.VERSION)

    async def api(request: Request) -> Response:
        if wants_aggregated_discovery(request.headers.get("accept", "")):
            return _aggregated(core=True)
        return answer(discovery.api_versions(request.url.netloc))

    async def apis(request: Request) -> Response:
        if wants_aggregated_discovery(request.headers.get("accept", "")):
            return _aggregated(core=False)
        return answer(discovery.api_group_list())

    async def core(_: Request) -> Response:
        return answer(discovery.api_resource_list("", "v1"))

    async def ready(_: Request) -> Response:
        return PlainTextResponse("ok")

    routes: list[BaseRoute] = [Route(path, ready) for path in ("/healthz", "/livez", "/readyz")]
    routes += [Route(path, version) for path in ("/version", "/version/")]
    routes += [Route(path, api) for path in ("/api", "/api/")] + [Route(path, apis) for path in ("/apis", "/apis/")]
    routes += [Route("/api/v1", core), Route("/api/v1/", core)]
    routes += reviews.routes()
    for group, versions in discovery.groups().items():
        routes += _group_routes(group, versions)
    return routes


def _group_routes(group: str, versions: list[str]) -> list[BaseRoute]:
    async def one_group(_: Request) -> Response:
        return answer(discovery.api_group(group))

    def version_endpoint(version: str) -> Endpoint:
        async def resources(_: Request) -> Response:
            return answer(discovery.api_resource_list(group, version))

        return resources

    routes: list[BaseRoute] = [Route(f"/apis/{group}{end}", one_group) for end in ("", "/")]
    for version in versions:
        routes += [Route(f"/apis/{group}/{version}{end}", version_endpoint(version)) for end in ("", "/")]
    return routes


def _aggregated(*, core: bool) -> Response:
    response = answer(discovery.aggregated(core=core))
    response.headers["content-type"] = discovery.AGGREGATED_TYPE
    return response


async def _page_not_found(_: Request, __: Exception) -> Response:
    return PlainTextResponse("404 page not found\n", 404)


async def _refused(_: Request, error: Exception) -> Response:
    if not isinstance(error, errors.ApiError):
        raise error
    return answer(error.body(), error.code)


async def _failed(_: Request, error: Exception) -> Response:
    told = errors.internal(f"{type(error).__name__}: {error}")
    return answer(told.body(), told.code)
