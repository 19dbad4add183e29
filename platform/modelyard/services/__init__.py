"""One file a service: what it needs, how it starts as a process, and the request that says ready."""
