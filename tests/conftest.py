"""Fixtures that every room's tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from needs import need_shared


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data beside the project; where there is none the test skips."""
    return need_shared("data")
