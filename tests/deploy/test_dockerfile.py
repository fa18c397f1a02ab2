"""What can be known of the image without building it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from needs import ROOT

TEXT = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
STEPS = [line.split(maxsplit=1) for line in TEXT.splitlines() if line and not line.startswith("#")]
STAGES = [index for index, (word, _) in enumerate(STEPS) if word == "FROM"]
LAST = STEPS[STAGES[-1] :]


def last(word: str) -> str:
    return next(rest for step, rest in LAST if step == word)


def copied() -> set[str]:
    """Return what is copied from the project."""
    sources = [rest.split()[:-1] for word, rest in STEPS if word == "COPY" and "--from" not in rest]
    return {name for names in sources for name in names}


def test_it_is_built_in_stages_and_no_builder_s_tool_stays() -> None:
    assert len(STAGES) == 2
    assert all(STEPS[stage][1].split()[0].endswith("-slim") for stage in STAGES)
    assert not any("pip install" in rest for _, rest in LAST)


def test_it_runs_as_a_numeric_user_that_is_not_root() -> None:
    user, group = map(int, last("USER").split(":"))
    assert user > 0 and group > 0
    after = LAST[LAST.index(["USER", last("USER")]) :]
    assert not any(word == "RUN" for word, _ in after)


def test_programs_are_started_directly_so_that_signals_reach_them() -> None:
    health = re.sub(r"--\S+\s+", "", last("HEALTHCHECK")).removeprefix("CMD").strip()
    for command in (last("ENTRYPOINT"), last("CMD"), health):
        assert all(isinstance(word, str) for word in json.loads(command))


def test_without_more_words_the_service_is_started_and_its_settings_lie_outside_of_the_data() -> None:
    command, file, *_ = json.loads(last("CMD"))
    assert command == "serve"
    assert Path(file).is_absolute()
    assert not Path(file).is_relative_to(last("VOLUME"))


def test_hadolint_has_nothing_to_say() -> None:
    said = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), ROOT / "Dockerfile"], check=False, capture_output=True, text=True
    )
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_everything_that_is_installed_is_copied_and_nothing_else_is_sent() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    setuptools = project["tool"]["setuptools"]
    moved = setuptools["package-dir"]
    inside = {name: next((moved[to] for to in moved if name.startswith(to)), name) for name in setuptools["packages"]}
    packages = {re.split(r"[./]", folder)[0] for folder in inside.values()}
    modules = {f"{name}.py" for name in setuptools["py-modules"]}
    assert copied() == packages | modules | {"pyproject.toml", project["project"]["readme"], "deploy/health.py"}
    assert all((ROOT / name).exists() for name in copied())
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == copied()
