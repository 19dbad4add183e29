"""Envoy: its configuration as pure functions, its files, its bootstrap."""
