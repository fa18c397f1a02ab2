"""The explicit dict from a stage type to its class."""
