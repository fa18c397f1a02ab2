"""A folder for a person's pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest
from whole_runs import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)
