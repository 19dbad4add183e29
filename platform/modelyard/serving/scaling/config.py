"""The ConfigMap `config-autoscaler` in namespace `knative-serving`, followed as on a cluster."""

from __future__ import annotations

from modelyard.autoscaling.config import NAME, NAMESPACE, AutoscalerConfig, parse_config
from modelyard.errors import SettingError
from modelyard.serving.store import NotFound, Store


class ScalingConfig:
    """The autoscaler's settings; one that cannot be read leaves the last good ones, absent means the defaults."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._version = ""
        self._config = AutoscalerConfig()

    def read(self) -> AutoscalerConfig:
        """The settings as they are now."""
        try:
            held = self._store.get("configmaps", NAMESPACE, NAME)
        except NotFound:
            self._version, self._config = "", AutoscalerConfig()
            return self._config
        version = held["metadata"]["resourceVersion"]
        if version != self._version:
            self._version = version
            try:
                self._config = parse_config(held.get("data") or {})
            except SettingError as error:
                print(f"configmap {NAMESPACE}/{NAME} is not taken: {error}", flush=True)
        return self._config
