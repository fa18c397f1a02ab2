"""What `tamis check` says of plugins, of second looks at rejects, and of cross-checks."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.load import read_pipeline
from config.schema import Pipeline
from service.check import check
from service.runs.fingerprint import differences, fingerprint

GOOD = """\
endpoints:
  main: {base_url: "http://127.0.0.1:1/v1", model: m}
source: {type: jsonl, path: seeds.jsonl}
stages:
  - {type: generate, endpoint: main, prompts: ["{{ question }}"]}
  - {type: verify, check: numeric, against: "{{ answer }}", fallback: {endpoint: main, prompt: "{{ reference }}"}}
  - {type: verify, name: own, check: plugin, function: "./checks.py:polite", timeout_s: 2.0, where: "answer == '2'"}
  - {type: cross_check, endpoint: main, extract: numeric, prompt: "{{ question }} {{ task }}", samples: 2, min_agree: 2}
  - {type: cross_check, name: read, sees: response, endpoint: main, prompt: "{{ found_by_plugin }} {{ response }}"}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "seeds.jsonl").write_text('{"id": "a", "question": "1+1?", "answer": "2"}\n')
    (tmp_path / "checks.py").write_text("def polite(response, row, fields):\n    return True\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(text: str) -> tuple[Pipeline, list[str]]:
    Path("pipeline.yaml").write_text(text)
    loaded = read_pipeline(Path("pipeline.yaml"), env={})
    assert loaded.pipeline is not None
    return loaded.pipeline, [str(problem) for problem in (*loaded.problems, *check(loaded, {}))]


def test_all_of_it_is_available() -> None:
    assert read(GOOD + "  - {type: select, by: score}\n")[1] == [], "and a plugin makes scores to select by"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("py:polite", "py:polit", '7: stages[2].function: {folder}/checks.py has no "polit"; did you mean "polite"?'),
        ("./checks.py", "./cheks.py", "7: stages[2].function: {folder}/cheks.py: No such file or directory"),
        ("./checks.py:polite", "polite", '7: stages[2].function: no entry point "polite" in tamis.verify'),
        ("timeout_s: 2.0", "against: '2'", "7: stages[2].against: only its `fallback` reads it"),
        ("timeout_s: 2.0", "fallback: {endpoint: main}", "7: stages[2].against: `fallback` needs: against:"),
        (
            'against: "{{ answer }}", fall',
            "against: x, min_score: 1, fall",
            "6: stages[1].min_score: `check: numeric` does not",
        ),
        (
            "{endpoint: main, prompt",
            "{endpoint: mian, prompt",
            '6: stages[1].fallback.endpoint: there is no endpoint "mian"',
        ),
        ("{{ reference }}", "{{ referense }}", '6: stages[1].fallback.prompt: unknown variable "referense"'),
        ("min_agree: 2", "min_agree: 3", "8: stages[3].min_agree: 3 can never agree, only 2; ask for more `samples`"),
        ("cross_check, endpoint: main", "cross_check", "8: stages[3].endpoint: missing; name the model that is asked"),
        ("{{ task }}", "{{ response }}", '8: stages[3].prompt: unknown variable "response"'),
        ("sees: response", "function: x", '9: stages[4].function: no entry point "x"'),
    ],
)
def test_a_mistake_is_told_with_its_line(old: str, new: str, message: str, folder: Path) -> None:
    assert old in GOOD
    found = read(GOOD.replace(old, new, 1))[1]
    assert [line for line in found if line.startswith("pipeline.yaml:" + message.format(folder=folder))], found


def test_another_text_of_a_function_is_another_run_and_another_place_is_not(folder: Path) -> None:
    before = fingerprint(read(GOOD)[0], "")
    (folder / "elsewhere").mkdir()
    (folder / "checks.py").rename(folder / "elsewhere" / "checks.py")
    moved = GOOD.replace("./checks.py", "./elsewhere/checks.py")
    assert differences(before, fingerprint(read(moved)[0], "")) == []
    (folder / "elsewhere" / "checks.py").write_text("def polite(response, row, fields):\n    return False\n")
    assert differences(before, fingerprint(read(moved)[0], "")) == ["stages[2] (own): function changed"]
