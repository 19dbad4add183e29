"""Dashboards, recording rules and alert rules: what a yard measures, under names that hold on every substrate."""
