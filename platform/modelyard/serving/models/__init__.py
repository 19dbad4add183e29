"""Fetching models: from where, with which credentials, into the cache, and nowhere else."""
