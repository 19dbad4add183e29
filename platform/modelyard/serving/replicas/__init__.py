"""Replicas: the warm parent that starts model servers, and the model servers."""
