"""The activator: a process that holds requests while a revision has no replica."""
