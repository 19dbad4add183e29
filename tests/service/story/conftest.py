"""The session's yard, as everybody gets it."""

from modelyard.testing import yard  # noqa: F401
