"""The tree of errors that a person may see: what happened, to what, what is allowed, and the next command to type."""

from __future__ import annotations


class YardError(Exception):
    """Something that can go wrong in a classroom; printed as lines, never as a stack trace.

    Args:
        what: what happened and to what, with the value that was met.
        allowed: what would have been right, where that helps.
        next_command: a command that can be pasted.
        detail: the last answer of a probe, the tail of a log, or a path to one.
    """

    exit_code = 1

    def __init__(self, what: str, *, allowed: str = "", next_command: str = "", detail: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.allowed = allowed
        self.next_command = next_command
        self.detail = detail

    def lines(self) -> list[str]:
        """The error as it is printed, one line an item."""
        told = [f"error: {self.what}"]
        if self.allowed:
            told.append(f"  allowed: {self.allowed}")
        if self.detail:
            told.extend(f"  {line}" for line in self.detail.rstrip().splitlines())
        if self.next_command:
            told.append(f"  next: {self.next_command}")
        return told

    def __str__(self) -> str:
        return "\n".join(self.lines())


class SettingError(YardError):
    """A setting has a value that is not allowed."""

    exit_code = 2


class YardNotUp(YardError):
    """A command needs a yard that is up, and it is not."""


class ProgramMissing(YardError):
    """A pinned program is neither on the machine nor to be had."""


class ServiceFailed(YardError):
    """A service of the yard did not start or did not stay."""


class WaitTimeout(YardError):
    """A condition did not hold within its deadline."""


class DeployFailed(YardError):
    """An InferenceService did not become what was asked for."""


class GateRefused(YardError):
    """The quality gate or the canary judge says no."""


class CommandFailed(YardError):
    """A program that was run for the person ended with an error."""
