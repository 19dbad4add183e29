"""Which kinds there are, as clients ask for it: one document for all groups, or one a group and version."""

from __future__ import annotations

from typing import Any

from modelyard.serving.api.resources import RESOURCES, Resource, in_group

Object = dict[str, Any]

AGGREGATED_TYPE = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
STATUS_VERBS = ["get", "patch", "update"]

VERSION = {
    "major": "1",
    "minor": "34",
    "emulationMajor": "1",
    "emulationMinor": "34",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "33",
    "gitVersion": "v1.34.1",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "",
}
"""The Kubernetes whose answers this API mirrors; clients read major, minor and gitVersion."""


def groups() -> dict[str, list[str]]:
    """Versions of every named group."""
    found: dict[str, list[str]] = {}
    for kind in RESOURCES:
        if kind.group and kind.version not in found.setdefault(kind.group, []):
            found[kind.group].append(kind.version)
    return found


def api_versions(address: str) -> Object:
    """GET /api: the versions of the core group."""
    reached = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": reached}


def api_group_list() -> Object:
    """GET /apis: the named groups."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name) for name in groups()]}


def api_group(name: str) -> Object:
    """GET /apis/GROUP."""
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name)}


def api_resource_list(group: str, version: str) -> Object:
    """GET /api/v1 or /apis/GROUP/VERSION: the kinds of one group and version."""
    listed: list[Object] = []
    for kind in in_group(group, version):
        listed.append(_legacy(kind, kind.plural, sorted(kind.verbs)))
        if kind.has_status:
            listed.append(_legacy(kind, f"{kind.plural}/status", STATUS_VERBS))
        if kind.has_log:
            listed.append(_legacy(kind, f"{kind.plural}/log", ["get"]))
    group_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": listed}


def aggregated(*, core: bool) -> Object:
    """GET /api (core) or /apis as one APIGroupDiscoveryList."""
    found = {"": ["v1"]} if core else groups()
    items = [
        {
            "metadata": {"name": name} if name else {},
            "versions": [
                {
                    "version": version,
                    "resources": [_aggregated(kind) for kind in in_group(name, version)],
                    "freshness": "Current",
                }
                for version in versions
            ],
        }
        for name, versions in found.items()
    ]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _group(name: str) -> Object:
    versions = [{"groupVersion": f"{name}/{version}", "version": version} for version in groups()[name]]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def _legacy(kind: Resource, name: str, verbs: list[str]) -> Object:
    is_main = "/" not in name
    entry: Object = {"name": name, "singularName": kind.singular if is_main else ""}
    entry |= {"namespaced": kind.namespaced, "kind": kind.kind, "verbs": verbs}
    if is_main and kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if is_main and kind.categories:
        entry["categories"] = list(kind.categories)
    return entry


def _aggregated(kind: Resource) -> Object:
    response = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    entry: Object = {"resource": kind.plural, "responseKind": response}
    entry |= {"scope": "Namespaced" if kind.namespaced else "Cluster", "singularResource": kind.singular}
    entry["verbs"] = sorted(kind.verbs)
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    held = {"status": STATUS_VERBS} if kind.has_status else {}
    if kind.has_log:
        held["log"] = ["get"]
    if held:
        entry["subresources"] = [
            {"subresource": name, "responseKind": response, "verbs": verbs} for name, verbs in held.items()
        ]
    return entry
