"""One person's running platform: its folder, its record, its processes."""
