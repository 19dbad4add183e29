"""The Kubernetes REST surface of the substrate `local`."""

from modelyard.serving.api.app import create_app

__all__ = ["create_app"]
