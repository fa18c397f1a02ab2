"""What a test does when the machine lacks something: `from needs import need_program, need_shared`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


def missing(what: str) -> NoReturn:
    """Skip with the reason; under CI such a skip is a failure, since CI installs what the tests want."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing under CI; scripts/install-system or make install should have brought it")
    pytest.skip(f"{what} is missing; see scripts/install-system and make install")


def need_program(name: str) -> str:
    """Return the path of a program that a test wants, or skip."""
    return shutil.which(name) or missing(f"the program {name}")


def need_shared(relative: str) -> Path:
    """Return a file of the data folder beside the project; where there is none the test skips, under CI too."""
    path = SHARED / relative
    if not path.exists():
        pytest.skip(f"{path} is not there: it is data beside the project, not part of it")
    return path
