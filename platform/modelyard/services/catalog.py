"""Every service of a yard, once: the plan, the supervisor, status and help are made from this list."""

from __future__ import annotations

from modelyard.services import (
    activator,
    alertmanager,
    board,
    envoy,
    grafana,
    mlflow,
    monitor,
    objectstore,
    prometheus,
    replicas,
    serving,
)
from modelyard.services.service import Service

CATALOG: tuple[Service, ...] = (
    objectstore.SERVICE,
    mlflow.SERVICE,
    prometheus.SERVICE,
    alertmanager.SERVICE,
    replicas.SERVICE,
    serving.SERVICE,
    activator.SERVICE,
    envoy.SERVICE,
    monitor.SERVICE,
    grafana.SERVICE,
    board.SERVICE,
)
BY_NAME = {service.name: service for service in CATALOG}
