"""Locust's side of the chaos programs: a few users, as many as they are told to be."""

from __future__ import annotations

from modelyard.load.users import Caller, CuedShape


class Shape(CuedShape):
    """As many as whoever conducts asks for."""


class Asker(Caller):
    """Asks all the time, with the pause of `--think`."""
