"""InferenceServices through any Kubernetes API; the only thing that is deployed is deployed through here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modelyard.errors import ApiUnreachable, DeployFailed
from modelyard.waiting import wait_until

GROUP, VERSION, PLURAL = "serving.kserve.io", "v1beta1", "inferenceservices"
Object = dict[str, Any]


class InferenceServices:
    """Reads and writes InferenceServices with a kubeconfig; every answer is the API's own JSON object."""

    def __init__(self, kubeconfig: Path, namespace: str = "default") -> None:
        from kubernetes import client, config

        held = client.Configuration()
        config.load_kube_config(str(kubeconfig), client_configuration=held)
        held.proxy = None  # kubernetes 35 sends loopback through HTTPS_PROXY even with NO_PROXY
        held.retries = 1
        self._api = client.CustomObjectsApi(client.ApiClient(held))
        self.namespace = namespace

    def get(self, name: str) -> Object | None:
        """The InferenceService, or None where there is none."""
        from kubernetes.client import ApiException

        with self._telling(f"InferenceService {name} could not be read"):
            try:
                return self._api.get_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL, name)
            except ApiException as error:
                if error.status == 404:
                    return None
                raise

    def list(self) -> list[Object]:
        """Every InferenceService of the namespace."""
        with self._telling("InferenceServices could not be listed"):
            return self._api.list_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL)["items"]

    def apply(self, manifest: Object) -> Object:
        """Create the InferenceService, or replace its spec and annotations; other writers' labels stay.

        Raises:
            DeployFailed: the API refused it; the message is the API's.
        """
        name = manifest["metadata"]["name"]
        present = self.get(name)
        with self._telling(f"InferenceService {name} was not applied"):
            if present is None:
                return self._api.create_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL, manifest)
            meta = {**present["metadata"]}
            meta["annotations"] = {**meta.get("annotations", {}), **manifest["metadata"].get("annotations", {})}
            meta["labels"] = {**meta.get("labels", {}), **manifest["metadata"].get("labels", {})}
            body = {**present, "metadata": meta, "spec": manifest["spec"]}
            return self._api.replace_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL, name, body)

    def patch(self, name: str, merge_patch: Object) -> Object:
        """Merge-patch an InferenceService (RFC 7386); a null removes."""
        with self._telling(f"InferenceService {name} was not patched"):
            return self._api.patch_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL, name, merge_patch)

    def delete(self, name: str) -> None:
        """Delete an InferenceService; one that is not there is no error."""
        from kubernetes.client import ApiException

        with self._telling(f"InferenceService {name} was not deleted"):
            try:
                self._api.delete_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL, name)
            except ApiException as error:
                if error.status != 404:
                    raise

    def pods(self, name: str) -> Sequence[Object] | None:
        """Pods of an InferenceService, those that are ending too; None where the API tells of no pods."""
        from kubernetes.client import ApiException, CoreV1Api

        with self._telling(f"pods of InferenceService {name} could not be listed"):
            try:
                answer = CoreV1Api(self._api.api_client).list_namespaced_pod(
                    self.namespace, label_selector=f"{GROUP}/inferenceservice={name}", _preload_content=False
                )
            except ApiException as error:
                if error.status == 404:
                    return None
                raise
        items: Sequence[Object] = json.loads(answer.data)["items"]
        return items

    def config_map(self, name: str, namespace: str) -> dict[str, str]:
        """What a ConfigMap holds; empty where there is none."""
        from kubernetes.client import ApiException, CoreV1Api

        with self._telling(f"ConfigMap {namespace}/{name} could not be read"):
            try:
                answer = CoreV1Api(self._api.api_client).read_namespaced_config_map(
                    name, namespace, _preload_content=False
                )
            except ApiException as error:
                if error.status == 404:
                    return {}
                raise
        held: dict[str, str] = json.loads(answer.data).get("data") or {}
        return held

    def patch_config_map(self, name: str, namespace: str, data: Mapping[str, str | None]) -> None:
        """Set what a ConfigMap holds, key by key; None removes a key."""
        from kubernetes.client import CoreV1Api

        with self._telling(f"ConfigMap {namespace}/{name} was not patched"):
            CoreV1Api(self._api.api_client).patch_namespaced_config_map(name, namespace, {"data": dict(data)})

    def wait_ready(self, name: str, *, generation: int, deadline_s: float = 120.0) -> Object:
        """Wait until the controller has seen this generation and the InferenceService is Ready at it.

        Raises:
            WaitTimeout: with the conditions as they last were.
        """
        seen: list[Object] = []

        def ready() -> Object | None:
            held = self.get(name)
            if held is None:
                return None
            seen[:] = [held]
            fresh = held.get("status", {}).get("observedGeneration", 0) >= generation
            return held if fresh and is_ready(held) else None

        return wait_until(
            ready,
            what=f"InferenceService {name} to be ready",
            deadline_s=deadline_s,
            next_command=f"kubectl describe inferenceservice {name}",
            last_answer=lambda: describe_conditions(seen[0]) if seen else "no such InferenceService",
        )

    @contextmanager
    def _telling(self, what: str) -> Iterator[None]:
        """Turn the client's errors into those that a person may see."""
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        try:
            yield
        except ApiException as error:
            raise DeployFailed(f"{what}: {_message_of(error)}", next_command="./invoke why") from error
        except HTTPError as error:
            raise ApiUnreachable(f"{what}: the Kubernetes API does not answer", detail=str(error)) from error


def _message_of(error: Any) -> str:
    """What the API says; its Status' message, where there is one."""
    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return f"{error.status} {error.reason}"


def condition(held: Object, kind: str) -> Object | None:
    """A condition of the status by its type."""
    return next((c for c in held.get("status", {}).get("conditions", []) if c["type"] == kind), None)


def is_ready(held: Object) -> bool:
    """Whether the condition Ready is True."""
    found = condition(held, "Ready")
    return bool(found and found["status"] == "True")


def describe_conditions(held: Object) -> str:
    """The conditions, one a line, as a person reads them."""
    return "\n".join(
        f"{c['type']}={c['status']} {c.get('reason', '')} {c.get('message', '')}".rstrip()
        for c in held.get("status", {}).get("conditions", [])
    )


def is_pod_ready(pod: Object) -> bool:
    """Whether a pod takes requests: Ready, and not on its way out."""
    conditions = pod.get("status", {}).get("conditions", [])
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def traffic(held: Object) -> list[Object]:
    """Traffic entries of the predictor: revisionName, percent, latestRevision, tag."""
    return held.get("status", {}).get("components", {}).get("predictor", {}).get("traffic", [])
