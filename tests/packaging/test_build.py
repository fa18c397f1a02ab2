"""What a wheel holds: all of the packages, and the examples that `tamis init` copies. Nothing is fetched."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from needs import ROOT

ROOMS = ("config", "queues", "stages", "service", "examples")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of what a wheel is made of: building leaves its traces."""
    source = tmp_path_factory.mktemp("source")
    for name in ROOMS:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "tamis.py"):
        shutil.copy(ROOT / name, source / name)
    return source


@pytest.fixture(scope="module")
def built(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the packages as `pip wheel .` collects them."""
    built = tmp_path_factory.mktemp("built")
    build = "from setuptools import setup; setup()"
    subprocess.run(
        [sys.executable, "-c", build, "-q", "build_py", "--build-lib", str(built)],
        cwd=source,
        check=True,
        capture_output=True,
    )
    return built


def test_every_file_of_the_packages_is_in_it_once(source: Path, built: Path) -> None:
    """A folder that is new must be named in pyproject.toml under `packages`."""
    wanted = {Path("tamis.py")}
    for name in ROOMS:
        into = Path("service/examples") if name == "examples" else Path(name)
        wanted |= {into / path.relative_to(source / name) for path in (source / name).rglob("*") if path.is_file()}
    assert {path.relative_to(built) for path in built.rglob("*") if path.is_file()} == wanted


@pytest.mark.parametrize("installed", [True, False])
def test_init_writes_every_example_from_a_wheel_and_from_a_checkout(
    built: Path, tmp_path: Path, installed: bool
) -> None:
    imported = "from service.authoring.templates import *; from pathlib import Path; "
    write = f"{imported}[write_template(n, Path(n)) for n in names()]"
    program = f"import sys; sys.path.insert(0, {str(built if installed else ROOT)!r}); {write}"
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in (ROOT / "examples").iterdir()}
    for path in (ROOT / "examples").rglob("*"):
        if path.is_file() and path.name != "README.md":
            assert (tmp_path / path.relative_to(ROOT / "examples")).read_bytes() == path.read_bytes()
