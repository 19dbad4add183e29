"""A person's copy of sample-model/ under the yard: a git repository and DVC project of its own."""

from modelyard.workspace.project import DataVersion, Workspace, ensure_workspace

__all__ = ["DataVersion", "Workspace", "ensure_workspace"]
