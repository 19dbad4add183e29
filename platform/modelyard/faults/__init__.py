"""Faults on purpose: each breaks one thing of a yard in the way that it breaks in real life, and can be undone."""

from modelyard.faults.records import FaultRecord, in_force, tell_in_force

__all__ = ["FaultRecord", "in_force", "tell_in_force"]
