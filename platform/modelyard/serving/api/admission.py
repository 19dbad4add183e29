"""What an object must be to be stored, in the order of a real cluster: fields, types, defaults, values, rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from modelyard.autoscaling import config
from modelyard.autoscaling.config import AutoscalerConfig
from modelyard.autoscaling.spec import find_problems
from modelyard.errors import SettingError
from modelyard.serving.api import errors, schemas
from modelyard.serving.api.core_rules import (
    config_map_causes,
    find_wrong_bytes,
    moved_string_data,
    namespace_with_defaults,
    secret_causes,
    secret_with_defaults,
)
from modelyard.serving.api.go_names import go_path
from modelyard.serving.api.kserve_rules import find_refusal, with_defaults
from modelyard.serving.api.metadata_rules import metadata_causes
from modelyard.serving.api.resource_rules import resource_causes
from modelyard.serving.api.resources import CONFIGMAPS, INFERENCESERVICES, NAMESPACES, SECRETS, Resource
from modelyard.serving.api.validation import Report, inspect

Object = dict[str, Any]

STRICT, WARN, IGNORE = "Strict", "Warn", "Ignore"


def admit(
    resource: Resource,
    obj: Object,
    *,
    field_validation: str = "",
    before: Object | None = None,
    own: Callable[[Object], Object] = lambda made: made,
    autoscaler: AutoscalerConfig | None = None,
) -> tuple[Object, list[str]]:
    """The object as it is to be stored (pruned, defaults filled in), and warnings for the client.

    Args:
        resource: its kind.
        obj: as sent, or as a patch makes it; without a status where the kind has that as a subresource.
        field_validation: what becomes of unknown fields: Strict, Warn (the default) or Ignore.
        before: the object that it replaces, if it is an update.
        own: gives the object its owners; called before the webhooks, which own nothing.
        autoscaler: settings that annotations must keep to; Knative's defaults where it is left out.

    Raises:
        ApiError: 400 for wrong types and, under Strict, unknown fields; 422 for values; 403 for KServe's rules.
    """
    if field_validation not in ("", STRICT, WARN, IGNORE):
        told = f'Unsupported value: "{field_validation}": supported values: "{IGNORE}", "{WARN}", "{STRICT}"'
        cause = {"reason": "FieldValueNotSupported", "message": told, "field": "fieldValidation"}
        raise errors.invalid("Options", "meta.k8s.io", "", [cause])
    report = Report()
    pruned = _inspected(resource, obj, report)
    if report.unknown and field_validation == STRICT:
        told = ", ".join(f'unknown field "{path}"' for path in report.unknown)
        raise _undecodable(resource, f"strict decoding error: {told}")
    _refuse_wrong_types(resource, report)
    made = _WEBHOOKS.get(resource.plural, _same)(own(_DEFAULTERS.get(resource.plural, _same)(pruned)))
    if resource in (SECRETS, CONFIGMAPS) and (told := find_wrong_bytes(made)):
        raise _undecodable(resource, told)
    _refuse_values(resource, made, before)
    if resource is INFERENCESERVICES:
        _refuse_by_webhooks(resource, made, autoscaler)
    if resource is CONFIGMAPS and _place(made) == (config.NAMESPACE, config.NAME):
        _refuse_autoscaler_settings(made)
    warned = [] if field_validation == IGNORE else [f'unknown field "{path}"' for path in report.unknown]
    return made, warned


def admit_config(resource: Resource, sent: Object) -> Object:
    """The configuration of a server-side apply, without nulls; nothing is filled in, because nobody would own it.

    Raises:
        ApiError: 400, a field is unknown or has a wrong type.
    """
    report = Report(is_partial=True)
    made = _inspected(resource, sent, report)
    if report.unknown:
        meta = sent["metadata"]
        place = f"{meta['namespace']}/{meta['name']}" if resource.namespaced else f"/{meta['name']}"
        told = f"({place}; {resource.api_version}, Kind={resource.kind}): .{report.unknown[0]}"
        raise errors.bad_request(f"failed to create typed patch object {told}: field not declared in schema")
    _refuse_wrong_types(resource, report)
    return moved_string_data(made) if resource is SECRETS else made


def admit_status(resource: Resource, obj: Object) -> Object:
    """The status of an object as it is to be stored; empty where there is none.

    Raises:
        ApiError: 422 for wrong types and values.
    """
    report, name = Report(), obj["metadata"].get("name", "")
    schema = {"type": "object", "properties": {"status": schemas.inference_service()["properties"]["status"]}}
    status = inspect({"status": obj.get("status")}, schema, "", report).get("status", {})
    for path, found, wanted in report.wrong:
        report.cause("FieldValueTypeInvalid", path, f'Invalid value: "{found}": must be of type {wanted}')
    if report.causes:
        raise errors.invalid(resource.kind, resource.group, name, report.causes)
    return status


def _same(obj: Object) -> Object:
    return obj


_WEBHOOKS = {INFERENCESERVICES.plural: with_defaults}
_DEFAULTERS = {
    NAMESPACES.plural: namespace_with_defaults,
    SECRETS.plural: secret_with_defaults,
}
_VALUE_RULES = {SECRETS.plural: secret_causes, CONFIGMAPS.plural: config_map_causes}


def _inspected(resource: Resource, obj: Object, report: Report) -> Object:
    return inspect(obj, schemas.schema_of(resource.plural), "", report)


def _refuse_wrong_types(resource: Resource, report: Report) -> None:
    for path, found, wanted in report.wrong:
        told = f"json: cannot unmarshal {found} into Go struct field {go_path(resource, path)} of type {wanted}"
        if path.startswith("metadata") or resource is not INFERENCESERVICES:
            raise _undecodable(resource, told)
        hook = "inferenceservice.kserve-webhook-server.defaulter"
        raise errors.ApiError(400, "", f'admission webhook "{hook}" denied the request: {told}')


def _refuse_values(resource: Resource, obj: Object, before: Object | None) -> None:
    report, name = Report(), obj["metadata"].get("name", "")
    metadata_causes(obj["metadata"], report, name_is_label=resource is NAMESPACES)
    _inspected(resource, obj, report)
    if rule := _VALUE_RULES.get(resource.plural):
        rule(obj, before, report)
    if report.causes:
        raise errors.invalid(resource.kind, resource.group, name, report.causes)


def _refuse_by_webhooks(resource: Resource, obj: Object, autoscaler: AutoscalerConfig | None) -> None:
    refusal = find_refusal(obj)
    if refusal:
        raise refusal
    predictor = obj.get("spec", {}).get("predictor", {})
    for problem in find_problems(predictor, obj["metadata"].get("annotations") or {}, autoscaler):
        raise errors.denied_by_knative(problem) if "metadata.annotations." in problem else errors.denied(problem)
    report = Report()
    resource_causes(predictor, report)
    if report.causes:
        raise errors.invalid(resource.kind, resource.group, obj["metadata"]["name"], report.causes)


def _refuse_autoscaler_settings(obj: Object) -> None:
    try:
        config.parse_config(obj.get("data") or {})
    except SettingError as error:
        raise errors.denied_by_knative(error.what, hook="config") from error


def _place(obj: Object) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"].get("name", "")


def _undecodable(resource: Resource, told: str) -> errors.ApiError:
    message = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {told}'
    return errors.bad_request(message)
