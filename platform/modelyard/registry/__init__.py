"""Registered models: versions, the quality gate, promotion with its audit trail, and what an alias deploys."""

from modelyard.registry.models import MODEL, ModelVersion, find_version, register

__all__ = ["MODEL", "ModelVersion", "find_version", "register"]
