"""The kinds that the API serves, as data: routes, discovery, tables and OpenAPI are made from this list."""

from __future__ import annotations

from dataclasses import dataclass

READ = ("get", "list", "watch")
WRITE = ("create", "delete", "deletecollection", "patch", "update")


@dataclass(frozen=True)
class Resource:
    """One kind. `stored` is its name in the store; None means that every list of it is empty."""

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    stored: str | None
    namespaced: bool = True
    verbs: tuple[str, ...] = READ
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    has_status: bool = False
    selectable: tuple[str, ...] = ("metadata.name", "metadata.namespace")
    """Fields that a fieldSelector may name."""
    has_log: bool = False
    takes_strategic_merge: bool = False
    """Whether a patch may be a strategic merge, as for the kinds of Kubernetes itself."""

    @property
    def api_version(self) -> str:
        """As an object's apiVersion."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def prefix(self) -> str:
        """Path of the group and version."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    @property
    def qualified(self) -> str:
        """As messages name it: `inferenceservices.serving.kserve.io`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


INFERENCESERVICES = Resource(
    group="serving.kserve.io",
    version="v1beta1",
    plural="inferenceservices",
    singular="inferenceservice",
    kind="InferenceService",
    stored="inferenceservices",
    verbs=READ + WRITE,
    short_names=("isvc",),
    has_status=True,
)
NAMESPACES = Resource(
    group="",
    version="v1",
    plural="namespaces",
    singular="namespace",
    kind="Namespace",
    stored="namespaces",
    namespaced=False,
    verbs=(*READ, "create", "delete", "patch", "update"),
    short_names=("ns",),
    selectable=("metadata.name", "status.phase"),
    takes_strategic_merge=True,
)
SECRETS = Resource(
    group="",
    version="v1",
    plural="secrets",
    singular="secret",
    kind="Secret",
    stored="secrets",
    verbs=READ + WRITE,
    selectable=("metadata.name", "metadata.namespace", "type"),
    takes_strategic_merge=True,
)
SERVICEACCOUNTS = Resource(
    group="",
    version="v1",
    plural="serviceaccounts",
    singular="serviceaccount",
    kind="ServiceAccount",
    stored="serviceaccounts",
    verbs=READ + WRITE,
    short_names=("sa",),
    takes_strategic_merge=True,
)
CONFIGMAPS = Resource(
    group="",
    version="v1",
    plural="configmaps",
    singular="configmap",
    kind="ConfigMap",
    stored="configmaps",
    verbs=READ + WRITE,
    short_names=("cm",),
    takes_strategic_merge=True,
)
EVENTS = Resource(
    group="",
    version="v1",
    plural="events",
    singular="event",
    kind="Event",
    stored="events",
    short_names=("ev",),
    selectable=(
        "metadata.name",
        "metadata.namespace",
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
)
PODS = Resource(
    group="",
    version="v1",
    plural="pods",
    singular="pod",
    kind="Pod",
    stored="pods",
    short_names=("po",),
    categories=("all",),
    has_log=True,
    selectable=(
        "metadata.name",
        "metadata.namespace",
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
)
NODES = Resource(
    group="",
    version="v1",
    plural="nodes",
    singular="node",
    kind="Node",
    stored="nodes",
    namespaced=False,
    short_names=("no",),
    selectable=("metadata.name", "spec.unschedulable"),
)
ACCESS_REVIEWS = Resource(
    group="authorization.k8s.io",
    version="v1",
    plural="selfsubjectaccessreviews",
    singular="selfsubjectaccessreview",
    kind="SelfSubjectAccessReview",
    stored=None,
    namespaced=False,
    verbs=("create",),
)
RULES_REVIEWS = Resource(
    group="authorization.k8s.io",
    version="v1",
    plural="selfsubjectrulesreviews",
    singular="selfsubjectrulesreview",
    kind="SelfSubjectRulesReview",
    stored=None,
    namespaced=False,
    verbs=("create",),
)
SELF_REVIEWS = Resource(
    group="authentication.k8s.io",
    version="v1",
    plural="selfsubjectreviews",
    singular="selfsubjectreview",
    kind="SelfSubjectReview",
    stored=None,
    namespaced=False,
    verbs=("create",),
)
SERVICES = Resource(
    group="serving.kserve.io",
    version="v1beta1",
    plural="inferenceservices",
    singular="inferenceservice",
    kind="InferenceService",
    stored="inferenceservices",
    verbs=READ + WRITE,
    short_names=("isvc",),
    has_status=True,
)
NAMESPACES = Resource(
    group="",
    version="v1",
    plural="namespaces",
    singular="namespace",
    kind="Namespace",
    stored="namespaces",
    namespaced=False,
    verbs=(*READ, "create", "delete", "patch", "update"),
    short_names=("ns",),
    selectable=("metadata.name", "status.phase"),
    takes_strategic_merge=True,
)
SECRETS = Resource(
    group="",
    version="v1",
    plural="secrets",
    singular="secret",
    kind="Secret",
    stored="secrets",
    verbs=READ + WRITE,
    selectable=("metadata.name", "metadata.namespace", "type"),
    takes_strategic_merge=True,
)
SERVICEACCOUNTS = Resource(
    group="",
    version="v1",
    plural="serviceaccounts",
    singular="serviceaccount",
    kind="ServiceAccount",
    stored="serviceaccounts",
    verbs=READ + WRITE,
    short_names=("sa",),
    takes_strategic_merge=True,
)
CONFIGMAPS = Resource(
    group="",
    version="v1",
    plural="configmaps",
    singular="configmap",
    kind="ConfigMap",
    stored="configmaps",
    verbs=READ + WRITE,
    short_names=("cm",),
    takes_strategic_merge=True,
)
EVENTS = Resource(
    group="",
    version="v1",
    plural="events",
    singular="event",
    kind="Event",
    stored="events",
    short_names=("ev",),
    selectable=(
        "metadata.name",
        "metadata.namespace",
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
)
PODS = Resource(
    group="",
    version="v1",
    plural="pods",
    singular="pod",
    kind="Pod",
    stored="pods",
    short_names=("po",),
    categories=("all",),
    has_log=True,
    selectable=(
        "metadata.name",
        "metadata.namespace",
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
)
NODES = Resource(
    group="",
    version="v1",
    plural="nodes",
    singular="node",
    kind="Node",
    stored="nodes",
    namespaced=False,
    short_names=("no",),
    selectable=("metadata.name", "spec.unschedulable"),
)
ACCESS_REVIEWS = Resource(
    group="authorization.k8s.io",
    version="v1",
    plural="selfsubjectaccessreviews",
    singular="selfsubjectaccessreview",
    kind="SelfSubjectAccessReview",
    stored=None,
    namespaced=False,
    verbs=("create",),
)
SERVICES = Resource("", "v1", "services", "service", "Service", None, short_names=("svc",))

RESOURCES = (
    INFERENCESERVICES,
    NAMESPACES,
    SECRETS,
    SERVICEACCOUNTS,
    CONFIGMAPS,
    EVENTS,
    PODS,
    NODES,
    SERVICES,
    ACCESS_REVIEWS,
    RULES_REVIEWS,
    SELF_REVIEWS,
)


def in_group(group: str, version: str) -> tuple[Resource, ...]:
    """The kinds of a group and version."""
    return tuple(kind for kind in RESOURCES if (kind.group, kind.version) == (group, version))
