"""The commands for those who write pipelines, as a person types them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from needs import ROOT
from whole_runs import simulating

from service.cli import main
from stages.judge.constitution import load_constitution

PRINCIPLES = """\
# mine
principles:
  - id: kind
    text: The answer is kind.
    eliminate: [It scolds.]
"""
PIPELINE = """\
endpoints:
  main: {base_url: "%s", model: simulated}
source: {type: jsonl, path: seeds.jsonl}
stages:
  - {type: generate, endpoint: main, prompts: [{file: p.jinja}]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "constitution.yaml").write_text(PRINCIPLES)
    (tmp_path / "pipeline.yaml").write_text(PIPELINE % "http://127.0.0.1:1/v1")
    (tmp_path / "p.jinja").write_text("Solve {{ question }}")
    return tmp_path


class Done(NamedTuple):
    returncode: object
    stdout: str
    stderr: str


Tamis = Callable[..., Done]


@pytest.fixture
def tamis(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tamis:
    """Return what runs `tamis` in the folder, in this process."""
    monkeypatch.chdir(folder)

    def tamis(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["tamis", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(ended.value.code, *capsys.readouterr())

    return tamis


def test_the_built_in_prompts_are_listed_and_shown_with_what_they_see(folder: Path, tamis: Tamis) -> None:
    assert {"eliminate", "expand"} <= set(tamis("prompts", "show").stdout.split())
    shown = tamis("prompts", "show", "eliminate")
    assert "{{ response }}" in shown.stdout
    assert "response" in shown.stderr.removeprefix("it sees: ").strip().split(", ")


def test_an_unknown_name_is_told_with_the_one_that_was_meant(folder: Path, tamis: Tamis) -> None:
    told = tamis("prompts", "show", "eliminat")
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == 'there is no built-in prompt "eliminat"; did you mean "eliminate"?\n'


def test_a_constitution_that_is_shown_can_be_used_as_it_is(folder: Path, tamis: Tamis) -> None:
    names = tamis("constitution", "show").stdout.split()
    assert names == ["helpful-honest-harmless", "mathematics-tutor"]
    for name in names:
        (folder / "shown.yaml").write_text(tamis("constitution", "show", name).stdout)
        assert load_constitution(folder / "shown.yaml").principles


def test_the_effective_settings_are_a_pipeline_with_everything_filled_in(folder: Path, tamis: Tamis) -> None:
    shown = tamis("config", "show", "pipeline.yaml", "--set", "stages.0.candidates=3")
    settings = yaml.safe_load(shown.stdout)
    assert settings["stages"][0]["prompts"] == ["Solve {{ question }}"]
    assert (settings["stages"][0]["candidates"], settings["stages"][0]["max_tokens"]) == (3, 1024)
    (folder / "again.yaml").write_text(shown.stdout)
    assert yaml.safe_load(tamis("config", "show", "again.yaml").stdout) == settings


def test_settings_with_a_mistake_are_not_shown_and_no_key_ever_is(folder: Path, tamis: Tamis) -> None:
    told = tamis("config", "show", "pipeline.yaml", "--set", "endpoints.main.api_key=sk-aaaabbbbccccdddd1111")
    assert (told.returncode, told.stdout) == (2, "")
    assert "a key does not belong in a file" in told.stderr
    assert "sk-aaaa" not in told.stderr


def test_a_draft_stands_beside_the_file_and_says_who_wrote_it(folder: Path, tamis: Tamis) -> None:
    with simulating() as simulator:
        (folder / "pipeline.yaml").write_text(PIPELINE % simulator.base_url)
        done = tamis("constitution", "expand", "constitution.yaml", "--pipeline", "pipeline.yaml")
    draft = folder / "constitution.expanded.yaml"
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("constitution.expanded.yaml: 4 lists drafted by simulated; ")
    assert draft.read_text().startswith("# Drafted by simulated from constitution.yaml: ")
    (principle,) = load_constitution(draft).principles
    assert principle.eliminate == ("It scolds.",)
    assert all((principle.critique, principle.compare, principle.revise, principle.axis))
    assert (folder / "constitution.yaml").read_text() == PRINCIPLES


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["none.yaml"], "none.yaml: there is no such file"),
        (["constitution.yaml", "--out", "p.jinja"], "p.jinja: this file is there already; name another with --out"),
        (["constitution.yaml", "--endpoint", "main"], "--endpoint main: name the file it stands in, with --pipeline"),
        (
            ["constitution.yaml", "--pipeline", "pipeline.yaml", "--endpoint", "mian"],
            '--endpoint: there is none named "mian" in pipeline.yaml; did you mean "main"?',
        ),
        (["constitution.yaml", "--pipeline", "pipeline.yaml"], "endpoints.main"),
        (["full.yaml"], "full.yaml: no list of any principle is empty; there is nothing to expand"),
    ],
)
def test_what_stands_in_the_way_of_a_draft_is_told_before_anything_is_written(
    folder: Path, tamis: Tamis, arguments: list[str], told: str
) -> None:
    (folder / "full.yaml").write_text((ROOT / "stages/judge/constitutions/mathematics-tutor.yaml").read_text())
    before = sorted(folder.iterdir())
    done = tamis("constitution", "expand", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(told)
    assert sorted(folder.iterdir()) == before


def test_the_settings_of_a_service_are_shown_without_its_tokens(folder: Path, tamis: Tamis) -> None:
    (folder / "service.yaml").write_text(f"drain_s: 5\ntenants: [{{name: a, token_sha256: {'ab' * 32}}}]\n")
    shown = yaml.safe_load(tamis("config", "show", "service.yaml", "--set", "jobs.concurrent=2").stdout)
    assert (shown["drain_s"], shown["jobs"], shown["tenants"][0]["token_sha256"]) == (5, {"concurrent": 2}, "(set)")


def test_every_setting_says_where_it_was_written_unless_it_is_a_default(
    folder: Path, tamis: Tamis, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "service.yaml").write_text(
        "drain_s: 5\n"
        "max_upload_mb: 9\n"
        "endpoints:\n"
        '  main: {base_url: http://127.0.0.1:1/v1, model: m, body: {stop: [a, "b\\n# c\\nd"]}}\n'
        "tenants: [{name: a, token_file: t, quotas: {jobs: 3, disk_mb: 5}}]\n"
    )
    monkeypatch.setenv("TAMIS__MAX_UPLOAD_MB", "7")
    monkeypatch.setenv("TAMIS__JOBS__CONCURRENT", "2")
    text = tamis("config", "show", "service.yaml", "--set", "drain_s=1", "--set", "tenants.a.quotas={jobs: 4}").stdout
    marks = [line.strip().partition("  # ") for line in text.splitlines()]
    assert {value: mark for value, _, mark in marks if mark or value.startswith(("disk_mb", "listen"))} == {
        "listen: 127.0.0.1:8080": "",
        "- http://127.0.0.1:1/v1": "service.yaml:4",
        "model: m": "service.yaml:4",
        "- a": "service.yaml:4",
        "- |-": "service.yaml:4",
        "- name: a": "service.yaml:5",
        f"token_file: {folder}/t": "service.yaml:5",
        "jobs: 4": "--set tenants.a.quotas",
        "disk_mb: null": "",
        "concurrent: 2": "TAMIS__JOBS__CONCURRENT",
        "max_upload_mb: 7": "TAMIS__MAX_UPLOAD_MB",
        "drain_s: 1.0": "--set drain_s",
    }
    assert yaml.safe_load(text)["endpoints"]["main"]["body"] == {"stop": ["a", "b\n# c\nd"]}


def test_a_value_that_is_given_twice_is_marked_with_what_counts(
    folder: Path, tamis: Tamis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAMIS__STAGES__0__PROMPTS", "[x]")
    sets = ("--set", "stages.0.prompts.0={file: p.jinja}", "--set", "seed=1", "--set", "seed=2")
    shown = tamis("config", "show", "pipeline.yaml", *sets).stdout
    assert "  - Solve {{ question }}  # --set stages.0.prompts.0\n" in shown
    assert "\nseed: 2  # --set seed\n" in shown


@pytest.mark.parametrize("text", [None, "{}\n", "endpoints: {}\n", "drain_s: 4\n"])
def test_what_is_no_pipeline_is_shown_as_a_service(folder: Path, tamis: Tamis, text: str | None) -> None:
    (folder / "service.yaml").write_text(text or "")
    shown = yaml.safe_load(tamis("config", "show", *([] if text is None else ["service.yaml"])).stdout)
    assert shown["listen"] == "127.0.0.1:8080"
    told = tamis("config", "show", "pipeline.yaml", "--set", "listen=127.0.0.1:1")
    assert told.returncode == 2
    assert "--set listen" in told.stderr
