"""Runs code that nobody trusts: bubblewrap around it, seccomp and rlimits on it, its tests in a process beside it."""
