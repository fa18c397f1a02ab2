"""The escape suite: nothing gets out, nothing passes that is wrong, and each attempt is reported as what it is."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from verify.sandbox.escapes import ESCAPES, outcomes

from stages.core.record import Verdict

ROOT = Path(__file__).parents[3]
NOBODY = 65534


@pytest.fixture(scope="module")
def as_ourselves(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is missing")
    secret = tmp_path_factory.mktemp("host") / "secret"
    secret.write_text("secret")
    return asyncio.run(outcomes(str(secret)))


@pytest.fixture(scope="module")
def as_a_plain_user() -> dict[str, Verdict]:
    """Run the suite as nobody, from a copy that nobody can read, with a Python that nobody can start."""
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    if os.geteuid() != 0 or python is None or shutil.which("bwrap") is None:
        pytest.skip("only root can become a plain user; run as one, the suite above says the same")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        for part in ("stages/__init__.py", "stages/core", "stages/verify"):
            source, copy = ROOT / part, Path(folder, part)
            if source.is_dir():
                shutil.copytree(source, copy)
            else:
                copy.parent.mkdir(exist_ok=True)
                shutil.copy(source, copy)
        shutil.copy(Path(__file__).with_name("escapes.py"), folder)
        secret = Path(folder, "secret")
        secret.write_text("secret")
        done = subprocess.run(
            [python, "-W", "error", "escapes.py", str(secret)],
            check=False, cwd=folder, user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": folder, "SECRET": "secret"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        return {name: Verdict(**outcome) for name, outcome in json.loads(done.stdout).items()}


def assert_contained(name: str, outcome: Verdict) -> None:
    escape = ESCAPES[name]
    assert outcome.reason == escape.reason, outcome
    assert escape.detail in outcome.detail, outcome
    assert outcome.passed is (escape.reason == "")


@pytest.mark.parametrize("name", ESCAPES)
def test_an_attempt_is_contained_and_reported_as_itself(as_ourselves, name):
    assert_contained(name, as_ourselves[name])


@pytest.mark.parametrize("name", ESCAPES)
def test_an_attempt_is_contained_and_reported_as_itself_for_a_plain_user(as_a_plain_user, name):
    assert_contained(name, as_a_plain_user[name])
