"""What `tamis check` says of difficulties, quotas and scores."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.load import read_pipeline
from service.check import check

GOOD = """\
constitution: constitution.yaml
endpoints:
  big: &one {base_url: "http://127.0.0.1:1/v1", model: m}
  policy: *one
source: {type: jsonl, path: seeds.jsonl}
stages:
  - {type: generate, endpoint: big, prompts: ["{{ question }}"], candidates: 8}
  - {type: verify, check: numeric, against: "{{ answer }}"}
  - {type: judge, endpoint: big, mode: rubric}
  - {type: difficulty, min_samples: 8, target: {easy: 0.2, moderate: 0.5, hard: 0.3}}
  - {type: difficulty, name: drawn, by: both, endpoint: policy, samples: 8, prompt: "{{ question }}", rater: big,
     rating: "{{ task }}"}
  - {type: difficulty, name: rated, by: model, endpoint: big, where: "difficulty == 'hard'"}
  - {type: score, endpoint: big, axes: constitution, weights: {kind: 2}, gates: {kind: 4}, combine: min}
  - {type: score, name: own, endpoint: [big, policy], axes: {clear: How clear it is}, gates: {clear: 7}, scale: [1, 10]}
  - {type: score, name: one, endpoint: big, prompt: "{{ response }}", normalise: per_seed}
  - {type: score, name: text, features: {length: {target: 90}, partial_credit: {reference: "{{ answer }}"}}}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "seeds.jsonl").write_text('{"id": "a", "question": "1+1?", "answer": "2"}\n')
    (tmp_path / "constitution.yaml").write_text("principles: [{id: kind, text: It is kind.}]\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def problems(text: str) -> list[str]:
    Path("pipeline.yaml").write_text(text)
    loaded = read_pipeline(Path("pipeline.yaml"), env={})
    return [str(problem) for problem in (*loaded.problems, *check(loaded, {}))]


def test_all_of_it_is_available() -> None:
    assert problems(GOOD) == []


VERIFY = '  - {type: verify, check: numeric, against: "{{ answer }}"}\n'


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("candidates: 8", "candidates: 4", "10: stages[3].min_samples: a seed has 4 candidates at most, so every one"),
        ("min_samples: 8", "of: verfy", '10: stages[3].of: no stage \'verfy\' before it judges; did you mean "verify"'),
        ("min_samples: 8", "of: judge", "10: stages[3].of: no stage 'judge' before it judges; those that do are: veri"),
        ("min_samples: 8", "temperature: 0.5", "10: stages[3].temperature: only the `samples` that are drawn"),
        ("min_samples: 8", "rater: big", "10: stages[3].rater: `by: pass_rate` does not read it; remove it"),
        ("min_samples: 8", "endpoint: policy", '10: stages[3].samples: missing; how often "policy" is asked for a see'),
        ("easy: 0.2", "easy: 0.1", "10: stages[3].target: write shares that come to 1, not 0.9, or whole numbers of"),
        ("easy: 0.2", "simple: 0.2", '10: stages[3].target.simple: "simple" is not one of them; write one of: easy'),
        ("endpoint: policy, samples: 8", "samples: 8", "11: stages[4].endpoint: missing; name the model to be trained"),
        ("samples: 8, prompt", "samples: 4, prompt", "11: stages[4].samples: fewer than `min_samples: 8`, so every"),
        ("rater: big", "rater: bigger", '11: stages[4].rater: there is no endpoint "bigger"; did you mean "big"?'),
        ("{{ task }}", "{{ tsk }}", '12: stages[4].rating: unknown variable "tsk"'),
        ("model, endpoint: big", "model", "13: stages[5].endpoint: missing; name the model that rates"),
        ("model, endpoint: big", "model, endpoint: big, rater: policy", "13: stages[5].rater: `endpoint` rates alread"),
        ("model, endpoint: big", "model, endpoint: big, of: verify", "13: stages[5].of: `by: model` does not read it"),
        (VERIFY, "", '9: stages[2].of: nothing before it judges; add a verify before it, or write `by: model`'),
        ("kind: 2", "kinder: 2", '14: stages[6].weights.kinder: there is no axis "kinder"; did you mean "kind"?'),
        ("kind: 2", "kind: 0", "14: stages[6].weights: no axis weighs anything"),
        ("kind: 4", "kind: 6", "14: stages[6].gates.kind: marks go from 1 to 5; write more than 1 and no more than 5"),
        ("kind: 4", "steps: 4", '14: stages[6].gates.steps: there is no axis "steps"; the axes are: kind'),
        ("combine: min", "principles: 1", "14: stages[6].principles: `gates` must see every axis of every candidate"),
        ("axes: constitution, weights: {kind: 2}, gates: {kind: 4}, ", "", "14: stages[6].axes: missing; write axes: "),
        ("axes: constitution", "axes: all", '14: stages[6].axes: "all" is not one of them; write one of: constitution'),
        ("constitution: constitution.yaml\n", "", "13: stages[6].constitution: missing; write `constitution: constitu"),
        ("[big, policy]", "[big, big]", '15: stages[7].endpoint[1]: "big" sits in this panel already'),
        ("name: one, endpoint: big", "name: one", "16: stages[8].prompt: only models read it; name one: `endpoint: ma"),
        ('{reference: "{{ answer }}"}', '{reference: "{{ anser }}"}', '17: stages[9].features.partial_credit.referenc'),
        ("length: {target: 90}", "length: 0.1", "17: stages[9].features.length: must be keys with values"),
        (
            'features: {length: {target: 90}, partial_credit: {reference: "{{ answer }}"}}',
            "combine: min",
            "17: stages[9].features: missing; write for example features: {steps: 0.05, explanation: 0.02}",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_what_to_write(old: str, new: str, message: str) -> None:
    assert GOOD.count(old) == 1
    found = problems(GOOD.replace(old, new))
    assert any(problem.startswith(f"pipeline.yaml:{message}") for problem in found), found


def test_a_seed_that_draws_only_axes_of_weight_0_would_have_no_score(folder: Path) -> None:
    (folder / "constitution.yaml").write_text("principles: [{id: kind, text: It is kind.}, {id: neat, text: Neat.}]\n")
    drawn = GOOD.replace("weights: {kind: 2}, gates: {kind: 4}", "weights: {kind: 0}, principles: 1")
    (problem,) = problems(drawn)
    assert problem.startswith("pipeline.yaml:14: stages[6].principles: of a seed that draws only what weighs 0")
    assert problems(drawn.replace("principles: 1", "principles: 2")) == []


def test_waves_may_make_as_many_candidates_as_a_difficulty_needs() -> None:
    assert problems(GOOD.replace("candidates: 8", "candidates: 2, until: {accepted: 1, after: verify}")) == []


def test_what_is_drawn_needs_something_to_ask_and_one_check_by_program() -> None:
    given = GOOD.replace("jsonl, path", 'jsonl, candidates: ["{{ answer }}"], path')
    given = "\n".join(line for line in given.splitlines() if "generate" not in line)
    assert problems(given) == []
    (problem,) = problems(given.replace(', prompt: "{{ question }}", rater', ", rater"))
    assert problem.startswith("pipeline.yaml:10: stages[3].prompt: missing; nothing else says what to ask")
    found = problems(given.replace('check: numeric, against: "{{ answer }}"', "name: form, check: regex, pattern: x"))
    assert found == []
    judged = given.replace(VERIFY, "  - {type: judge, name: first, endpoint: big}\n")
    assert any("stages[3].of: what is drawn is checked by a `verify` stage" in problem for problem in problems(judged))


def test_no_online_dedupe_stands_behind_a_quota() -> None:
    found = problems(GOOD + "  - {type: dedupe, mode: online}\n")
    assert found == ['pipeline.yaml:18: stages[10].mode: "difficulty" before it has seen every seed already; move this '
                     "one before it, or make it canonical"]  # fmt: skip
