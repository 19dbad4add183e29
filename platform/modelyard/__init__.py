"""Modelyard: a yard where models are built, shipped and watched, on one machine or on a cluster."""

__version__ = "0.1.0"
