"""A run: what is decided before it, its one process on one run directory, and what it leaves behind."""
