"""What is seen of a run while it goes on and when it ends: counts, metrics, the display, log lines, the summary."""
