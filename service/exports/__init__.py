"""A run's samples once more in another format, their cards, and their push to a hub."""
