"""A pipeline file that uses every key there is."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def catalogue() -> str:
    """Return a pipeline file with every key that the product names, whether it is available yet or not."""
    return Path(__file__).with_name("catalogue.yaml").read_text(encoding="utf-8")
