from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from needs import need_program

from config.load import read_pipeline
from service.check import check

SEEDS = '{"id": "a", "question": "1+1?", "answer": "#### 2"}\n'
CONSTITUTION = "principles:\n  - {id: kind, text: The answer is kind.}\n"
GOOD = """\
constitution: constitution.yaml
endpoints:
  main: {base_url: "http://127.0.0.1:1/v1", model: m}
source: {type: jsonl, path: seeds.jsonl}
stages:
  - {type: generate, endpoint: main, prompts: ["{{ question }}"]}
  - {type: verify, check: numeric, against: "{{ answer | after('####') }}"}
  - {type: judge, endpoint: main}
  - {type: score, features: {steps: 1}}
  - {type: select, by: score}
  - {type: dedupe, near: {threshold: 0.8}, keep: {by: score}}
outputs:
  - {format: sft, prompt: "{{ question }}", where: "verdicts.judge.passed and answer == '2'"}
  - {format: dpo, prompt: "{{ question }}", pairs: {rejected: [verify]}}
"""

TWELVE = """\
name: twelve
constitution: nowhere.yaml
endpoints:
  main:
    base_url: http://127.0.0.1:1/v1
    model: m
    api_key_env: TAMIS_TEST_KEY_THAT_IS_NOT_SET
    api_key: sk-abcdefghijklmnop123456
source: {type: jsonl, path: seeds.jsonl, id: idd}
stages:
  - type: generate
    endpoint: mian
    prompts:
      - "Solve: {{ qestion }}"
      - |
        Step by step,
        please: {{ question }
    candiates: 4
  - {type: verify, check: math}
  - {type: judge, endpoint: main, where: "verdicts.verfy.passed"}
  - {type: select, by: score}
  - {type: dedupe, exact: yes}
"""
TWELVE_PLACES = [
    (2, "constitution"),
    (7, "endpoints.main.api_key_env"),
    (8, "endpoints.main.api_key"),
    (9, "source.id"),
    (12, "stages[0].endpoint"),
    (14, "stages[0].prompts[0]"),
    (17, "stages[0].prompts[1]"),
    (18, "stages[0].candiates"),
    (19, "stages[1].against"),
    (20, "stages[2].where"),
    (21, "stages[3].by"),
    (22, "stages[4].exact"),
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "seeds.jsonl").write_text(SEEDS, encoding="utf-8")
    (tmp_path / "constitution.yaml").write_text(CONSTITUTION, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def problems(text: str, env: dict[str, str] | None = None) -> list[str]:
    """Return everything wrong with a pipeline of this text, as printed."""
    Path("pipeline.yaml").write_text(text, encoding="utf-8")
    loaded = read_pipeline(Path("pipeline.yaml"), env={})
    found = [*loaded.problems, *check(loaded, env or {})]
    return [str(problem) for problem in sorted(found, key=lambda problem: problem.line)]


def test_a_good_pipeline_has_no_problem() -> None:
    assert problems(GOOD) == []


def test_twelve_different_mistakes_are_twelve_lines_with_the_right_numbers(folder: Path) -> None:
    (folder / "pipeline.yaml").write_text(TWELVE, encoding="utf-8")
    tamis = [sys.executable, "-c", "from service.cli import main; main()", "check", "pipeline.yaml"]
    done = subprocess.run(tamis, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    *lines, last = done.stderr.splitlines()
    assert [tuple(line.split(": ")[:2]) for line in lines] == [
        (f"pipeline.yaml:{line}", path) for line, path in TWELVE_PLACES
    ]
    assert last == "12 problems; nothing was called"
    assert done.returncode == 2
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        # variables
        (
            '{{ question }}"]',
            '{{ qestion }}"]',
            '6: stages[0].prompts[0]: unknown variable "qestion"; the source has: id, question, answer. Did you mean',
        ),
        (
            '{{ question }}"]',
            '{{ row.anser }}"]',
            '6: stages[0].prompts[0]: unknown column "anser"; the source has: id, question, answer. Did you mean "ans',
        ),
        (
            '{{ question }}"]',
            '{{ response }}"]',
            '6: stages[0].prompts[0]: unknown variable "response"; the source has: id, question, answer',
        ),
        (
            '{{ question }}"]',
            '{{ question | uper }}"]',
            '6: stages[0].prompts[0]: there is no filter "uper"; the filters are: abs after',
        ),
        (
            "endpoint: main, prompts",
            "endpoint: main, where: text, prompts",
            '6: stages[0].where: unknown variable "text"',
        ),
        (
            "endpoint: main}",
            "endpoint: main, where: 'verdicts.score.passed'}",
            '8: stages[2].where: no stage "score" stands before it; the stages before it are: generate, verify',
        ),
        (
            "endpoint: main}",
            "endpoint: main, where: '{{ text }}'}",
            "8: stages[2].where: write the expression without braces",
        ),
        (
            "endpoint: main}",
            "endpoint: main, prompt: '{{ tusk }}'}",
            '8: stages[2].prompt: unknown variable "tusk"; the source has: id, question, answer. Did you mean "task"?',
        ),
        ("check: numeric", "check: exact, where: 'ansewr == 1'", '7: stages[1].where: unknown variable "ansewr"'),
        ('{{ question }}",', '{{ response }}",', '13: outputs[0].prompt: unknown variable "response"'),
        (
            "format: dpo,",
            "format: dpo, columns: {gold: anwser},",
            '14: outputs[1].columns.gold: unknown column "anwser"',
        ),
        (
            "seeds.jsonl}",
            "seeds.jsonl, candidates: ['{{ ansewr }}']}",
            '4: source.candidates[0]: unknown variable "ansewr"',
        ),
        # the source
        ("seeds.jsonl", "sedes.jsonl", "4: source.path: sedes.jsonl: no such file"),
        (
            "seeds.jsonl}",
            "seeds.jsonl, topic: subject}",
            '4: source.topic: unknown column "subject"; the source has: id, question, answer',
        ),
        # orders
        (
            "  - {type: score, features: {steps: 1}}\n  - {type: select, by: score}\n",
            "  - {type: select, by: score}\n  - {type: score, features: {steps: 1}}\n",
            '9: stages[3].by: "score" needs a score stage or a judge that scores before it',
        ),
        (
            '  - {type: generate, endpoint: main, prompts: ["{{ question }}"]}\n',
            "",
            "5: stages: nothing makes candidates; add a `generate` stage",
        ),
        (
            "  - {type: select, by: score}\n",
            "  - {type: generate, name: again, endpoint: main, prompts: [x]}\n",
            "10: stages[4].type: a second `generate`;",
        ),
        (
            "{type: select, by: score}",
            "{type: verify, check: exact, against: a}",
            '10: stages[4].name: stages[1] is named "verify" too; write a `name:` of its own, such as verify_2',
        ),
        # keys of one stage
        ('prompts: ["{{ question }}"]', "candidates: 2", "6: stages[0].prompts: missing; write for example prompts:"),
        (
            ", against: \"{{ answer | after('####') }}\"",
            "",
            '7: stages[1].against: missing; `check: numeric` needs it: against: "{{ answer }}"',
        ),
        ("numeric, ", "numeric, pattern: x, ", "7: stages[1].pattern: `check: numeric` does not read it; remove it"),
        (
            "numeric, against: \"{{ answer | after('####') }}\"",
            "regex, pattern: '('",
            "7: stages[1].pattern: `pattern` '(' is not a regular expression:",
        ),
        (
            "numeric, against: \"{{ answer | after('####') }}\"",
            "json_schema, schema: {type: objct}",
            "7: stages[1].schema: `schema` is not a JSON schema:",
        ),
        (
            "constitution: constitution.yaml\n",
            "seed: 1\n",
            "8: stages[2].constitution: missing; a judge needs principles:",
        ),
        ("constitution.yaml", "nowhere.yaml", "1: constitution: "),
        ("endpoint: main}", "endpoint: main, constitution: nowhere.yaml}", "8: stages[2].constitution: "),
        ("near: {threshold: 0.8}", "exact: false", "11: stages[5].exact: nothing is left to compare by;"),
        ("features: {steps: 1}", "features: {}", "9: stages[3].features: missing; write for example features:"),
        # outputs
        (
            "[verify]",
            "[verifi]",
            '14: outputs[1].pairs.rejected[0]: there is no stage "verifi"; did you mean "verify"?',
        ),
        (
            'dpo, prompt: "{{ question }}", pairs: {rejected: [verify]}',
            "sft",
            "14: outputs[1].format: a second output writes exports/sft.jsonl too",
        ),
        (
            'sft, prompt: "{{ question }}"',
            "sft, pairs: {per_seed: 2}",
            "13: outputs[0].pairs: `format: sft` does not read it; remove it",
        ),
        ('sft, prompt: "{{ question }}"', "verl", "13: outputs[0].ground_truth: missing; `format: verl` needs it: "),
        (
            'sft, prompt: "{{ question }}"',
            "grpo, ground_truth: '{{ anwser }}'",
            '13: outputs[0].ground_truth: unknown variable "anwser"; the source has: ',
        ),
        ("sft, ", "sft, order: score, ", "13: outputs[0].order: it says who is taken first, and all are; add "),
        ("sft, ", "sft, max_samples: [5, 5], ", "13: outputs[0].max_samples: a size stands there twice; "),
        ("sft, ", "sft, split: {validation: 0}, ", "13: outputs[0].split.validation: must be more than 0"),
        ("sft, ", "sft, include: all, ", "13: outputs[0].include: `format: sft` does not read it; "),
        (
            "{rejected: [verify]}",
            "{by: model, weak: [main], strong: [mian]}",
            '14: outputs[1].pairs.strong[0]: there is no endpoint "mian"; did you mean "main"?',
        ),
        ("{rejected: [verify]}", "{by: model, weak: main}", "14: outputs[1].pairs.strong: missing; `by: model` needs"),
        (
            'dpo, prompt: "{{ question }}", pairs: {rejected: [verify]',
            "kto, pairs: {per_seed: 2",
            "14: outputs[1].pairs: `format: kto` makes no pairs; of these keys it reads `rejected` alone",
        ),
        # endpoints
        (
            "judge, endpoint: main",
            "judge, endpoint: mian",
            '8: stages[2].endpoint: there is no endpoint "mian"; did you mean "main"?',
        ),
        (
            "generate, endpoint: main",
            "generate, endpoint: {main: 1, big: 2}",
            '6: stages[0].endpoint.big: there is no endpoint "big"; the endpoints are: main',
        ),
        ("model: m", "model: m, ca_file: ca.pem", "3: endpoints.main.ca_file: there is no file "),
        (
            "model: m",
            "model: m, api_key_env: NOT_SET",
            "3: endpoints.main.api_key_env: the environment variable NOT_SET is not set",
        ),
        ("model: m", "model: m, api_key_file: key.txt", "3: endpoints.main.api_key_file: cannot read "),
        (
            "stages:",
            "budget: {usd: 2}\nstages:",
            '5: budget.usd: the price of "main" is unknown, so this cannot be held;',
        ),
    ],
)
def test_a_mistake_is_one_line(old: str, new: str, message: str) -> None:
    assert old in GOOD
    found = problems(GOOD.replace(old, new, 1))
    assert len(found) == 1, found
    assert found[0].startswith(f"pipeline.yaml:{message}")


def test_given_candidates_need_no_generate_but_say_what_was_asked() -> None:
    lines = GOOD.replace("seeds.jsonl}", 'seeds.jsonl, candidates: ["{{ answer }}"]}').splitlines()
    text = "\n".join(line for line in lines if "generate" not in line)
    assert problems(text) == []
    (found,) = problems(text.replace('dpo, prompt: "{{ question }}"', "dpo"))
    assert found.startswith("pipeline.yaml:13: outputs[1].prompt: missing; the candidates were given, so say what was")


def test_candidates_of_a_column_may_bring_fields_of_any_name() -> None:
    text = GOOD.replace("seeds.jsonl}", "seeds.jsonl, candidates: answer}").replace(
        "check: numeric", "check: numeric, where: 'is_correct'"
    )
    assert problems(text) == []


def test_what_verify_extracts_can_be_shown_to_the_judge() -> None:
    text = GOOD.replace("judge, endpoint: main", "judge, endpoint: main, prompt: '{{ task }} {{ answer }} {{ text }}'")
    text = text.replace("seeds.jsonl", "plain.jsonl").replace("answer | after('####')", "gold")
    Path("plain.jsonl").write_text('{"question": "1+1?", "gold": "2"}\n', encoding="utf-8")
    assert problems(text) == []


def test_only_endpoints_in_use_need_their_keys() -> None:
    text = GOOD.replace("endpoints:\n", "endpoints:\n  other: {base_url: http://x, model: m, api_key_env: NOT_SET}\n")
    assert problems(text) == []


def test_a_key_in_the_environment_is_enough() -> None:
    assert problems(GOOD.replace("model: m", "model: m, api_key_env: SOME_KEY"), {"SOME_KEY": "abc"}) == []


def test_a_mistake_in_a_constitution_is_told_with_its_own_line(folder: Path) -> None:
    (folder / "constitution.yaml").write_text("principles:\n  - {id: kind, txt: x}\n", encoding="utf-8")
    found = problems(GOOD)
    assert all(line.startswith("pipeline.yaml:1: constitution: ") for line in found)
    assert any("constitution.yaml:2: principles[0].txt: unknown key" in line for line in found)


def test_a_template_file_is_checked_by_its_own_lines(folder: Path) -> None:
    (folder / "x.jinja").write_text("Dear model,\n{{ qestion }}\n", encoding="utf-8")
    found = problems(GOOD.replace('["{{ question }}"]', "[{file: x.jinja}]"))
    assert found[0].startswith('x.jinja:2: stages[0].prompts[0]: unknown variable "qestion"')


def test_a_block_text_is_checked_by_the_lines_of_the_file() -> None:
    text = GOOD.replace(
        '{type: generate, endpoint: main, prompts: ["{{ question }}"]}',
        "type: generate\n    endpoint: main\n    prompts: |\n      one\n      {{ qestion }}",
    )
    assert problems(text)[0].startswith("pipeline.yaml:10: stages[0].prompts[0]: unknown variable")


def test_an_unreadable_stage_is_not_blamed_for_what_stands_behind_it() -> None:
    """What a stage of unknown type makes cannot be known, so no order is called wrong."""
    found = problems(GOOD.replace("{type: score, features: {steps: 1}}", "{type: zzz}"))
    assert len(found) == 1
    assert found[0].startswith('pipeline.yaml:9: stages[3].type: there is no type "zzz"')


def test_a_package_that_a_check_lacks_is_told_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "math_verify", None)  # how Python says "not installed"
    (found,) = problems(GOOD.replace("check: numeric", "check: math"))
    assert found.startswith(
        "pipeline.yaml:7: stages[1].check: `check: math` needs a package that is not installed. Type: "
    )


PYTHON = GOOD.replace(
    "numeric, against: \"{{ answer | after('####') }}\"", "python, tests: '{{ TEST }}', entry_point: f"
)


def test_the_tests_of_code_see_columns_and_nothing_of_a_response() -> None:
    need_program("bwrap")
    assert problems(PYTHON.replace("TEST", "answer")) == []
    (found,) = problems(PYTHON.replace("TEST", "response"))
    assert found.startswith('pipeline.yaml:7: stages[1].tests: unknown variable "response"; the source has: id, ')
    (found,) = problems(PYTHON.replace("TEST", "answer").replace("entry_point: f", "entry_point: '{{ nme }}'"))
    assert found.startswith('pipeline.yaml:7: stages[1].entry_point: unknown variable "nme"')


def test_code_that_nothing_could_confine_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    (found,) = problems(PYTHON.replace("TEST", "answer"))
    assert found.startswith("pipeline.yaml:7: stages[1].check: code is run in a sandbox only, on Linux with bubblewrap")


def test_benchmarks_are_read_before_anything_runs(folder: Path) -> None:
    stage = "{type: decontaminate, against: bench.jsonl, field: question}"
    text = GOOD.replace("{type: select, by: score}", stage).replace("field:", "on: pair, field:")
    (found,) = problems(text)
    assert found.startswith("pipeline.yaml:10: stages[4].against: ")
    assert found.endswith("bench.jsonl: No such file or directory")
    (folder / "bench.jsonl").write_text('{"prompt": "Who?"}\n')
    (found,) = problems(text)
    assert found.endswith('bench.jsonl:1: there is no text in "question"; the row has: prompt')
    (folder / "bench.jsonl").write_text('{"question": "Who?"}\n')
    (found,) = problems(text.replace("on: pair", "ngram: 5"))
    assert found == "pipeline.yaml:10: stages[4].ngram: must be at least 8, not 5"
