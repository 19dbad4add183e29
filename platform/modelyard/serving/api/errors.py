"""Errors of the API as a Kubernetes `Status`, in the words that a real cluster was recorded with."""

from __future__ import annotations

from typing import Any

from modelyard.serving import store
from modelyard.serving.api.resources import Resource

Object = dict[str, Any]


class ApiError(Exception):
    """An answer other than success.

    Args:
        code: HTTP status.
        reason: Kubernetes' word for it; empty for a refusal of a webhook.
        message: as kubectl prints it.
        details: of the Status; None leaves it out.
    """

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def body(self) -> Object:
        """The Status object."""
        told: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        told["message"] = self.message
        if self.reason:
            told["reason"] = self.reason
        if self.details is not None:
            told["details"] = self.details
        told["code"] = self.code
        return told


def bad_request(message: str) -> ApiError:
    """400: the request makes no sense."""
    return ApiError(400, "BadRequest", message)


def internal(message: str) -> ApiError:
    """500: our own fault; the log has the trace."""
    return ApiError(500, "InternalError", f"Internal error occurred: {message}")


def unauthorized() -> ApiError:
    """401: no bearer token, or a wrong one."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def not_found(resource: Resource, name: str) -> ApiError:
    """404: no object of that name."""
    return ApiError(404, "NotFound", f'{resource.qualified} "{name}" not found', _details(resource, name))


def already_exists(resource: Resource, name: str) -> ApiError:
    """409: there is an object of that name."""
    return ApiError(409, "AlreadyExists", f'{resource.qualified} "{name}" already exists', _details(resource, name))


def conflict(resource: Resource, name: str, why: str = "") -> ApiError:
    """409: the writer has not seen the newest version."""
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(resource, name))


def method_not_allowed(resource: Resource, verb: str) -> ApiError:
    """405: the kind is there, but not this verb."""
    message = f"{verb} is not supported on resources of kind {resource.qualified!r}".replace("'", '"')
    return ApiError(405, "MethodNotAllowed", message, _details(resource, ""))


def unsupported_media_type(accepted: tuple[str, ...]) -> ApiError:
    """415: the body's Content-Type is none of those."""
    message = "the body of the request was in an unknown format - accepted media types include: " + ", ".join(accepted)
    return ApiError(415, "UnsupportedMediaType", message)


def too_large(limit_bytes: int) -> ApiError:
    """413: the body has more bytes than that."""
    return ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit_bytes}")


def invalid(kind: str, group: str, name: str, causes: list[Object]) -> ApiError:
    """422: the object's fields are wrong; a cause is {reason, message, field}."""
    told = [f"{cause['field']}: {cause['message']}" for cause in causes]
    listed = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    qualified = f"{kind}.{group}" if group else kind
    details: Object = {"name": name} if name else {}
    details |= {"group": group, "kind": kind, "causes": causes}
    return ApiError(422, "Invalid", f'{qualified} "{name}" is invalid: {listed}', details)


def invalid_update(resource: Resource, name: str, cause: Object) -> ApiError:
    """422 of an update; unlike `invalid` it names the resource instead of the kind, as the recorded cluster does."""
    message = f'{resource.qualified} "{name}" is invalid: {cause["field"]}: {cause["message"]}'
    return ApiError(422, "Invalid", message, {**_details(resource, name), "causes": [cause]})


def denied(message: str) -> ApiError:
    """403: KServe's validating webhook says no."""
    hook = "inferenceservice.kserve-webhook-server.validator"
    return ApiError(403, "Forbidden", f'admission webhook "{hook}" denied the request: {message}')


def denied_by_knative(problem: str, *, hook: str = "validation") -> ApiError:
    """400: one of Knative's webhooks says no."""
    hook = f"{hook}.webhook.serving.knative.dev"
    return ApiError(400, "BadRequest", f'admission webhook "{hook}" denied the request: validation failed: {problem}')


def undeletable_namespace(name: str) -> ApiError:
    """403: a namespace that every cluster needs."""
    message = f'namespaces "{name}" is forbidden: this namespace may not be deleted'
    return ApiError(403, "Forbidden", message, {"name": name, "kind": "namespaces"})


def from_store(error: store.StoreError, resource: Resource) -> ApiError:
    """A refusal of the store as the API tells it."""
    if isinstance(error, store.NotFound):
        return not_found(resource, error.name)
    if isinstance(error, store.AlreadyExists):
        return already_exists(resource, error.name)
    return conflict(resource, error.name)


def expired(error: store.Expired) -> ApiError:
    """410: a watch starts too far back."""
    return ApiError(410, "Expired", f"too old resource version: {error.since} ({error.floor})")


def _details(resource: Resource, name: str) -> Object:
    details: Object = {"name": name} if name else {}
    if resource.group:
        details["group"] = resource.group
    return {**details, "kind": resource.plural}
