"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings
from needs import need_shared

settings.register_profile("tamis", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("tamis")
"""A loaded machine is no failure, and in CI a change is not to blame for an example that it did not bring."""


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data beside the project; where there is none the test skips."""
    return need_shared("data")
