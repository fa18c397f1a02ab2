"""What `tamis check` says of judges, rankings, votes, and of what is selected by them."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.load import read_pipeline
from service.check import check, warnings

GOOD = """\
constitution: constitution.yaml
endpoints:
  j1: &one {base_url: "http://127.0.0.1:1/v1", model: m}
  j2: *one
  j3: *one
source: {type: jsonl, path: seeds.jsonl}
stages:
  - {type: generate, endpoint: j1, prompts: ["{{ question }}"], candidates: 8}
  - {type: vote, extract: numeric, write: winner, stop: {wave: 2}}
  - {type: judge, name: panel, endpoint: [j1, j2], escalate: {to: j3}, principles: 2, per_call: one, samples: 3}
  - {type: judge, name: marks, endpoint: j1, mode: rubric, threshold: 4, escalate: {to: j2, when: unsure}}
  - {type: judge, name: list, endpoint: j1, mode: checklist, rubric: checks, where: "winner == '2'"}
  - {type: judge, name: prize, endpoint: j1, mode: reward, reward: rerank, prompt: "{{ question }} {{ response }}"}
  - {type: rank, endpoint: j1, prompt: "{{ task }} {{ response_a }} {{ response_b }}"}
  - {type: select, top: 2, by: rank, agree: {with: [score, vote], within_top: 3}}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "seeds.jsonl").write_text(
        '{"id": "a", "question": "1+1?", "answer": "2", "checks": ["It is short."]}\n'
    )
    (tmp_path / "constitution.yaml").write_text("principles: [{id: kind, text: It is kind.}]\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def problems(text: str) -> list[str]:
    Path("pipeline.yaml").write_text(text)
    loaded = read_pipeline(Path("pipeline.yaml"), env={})
    return [str(problem) for problem in (*loaded.problems, *check(loaded, {}))]


def test_all_of_it_is_available() -> None:
    assert problems(GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rubric: checks", "rubric: cheks", '12: stages[4].rubric: unknown column "cheks"; the source has: '),
        (", rubric: checks", "", "12: stages[4].rubric: missing; `mode: checklist` needs it: rubric: COLUMN"),
        ("reward: rerank", "samples: 2", "13: stages[5].samples: `mode: reward` does not read it; remove it"),
        ("principles: 2", "scale: [1, 7]", "10: stages[2].scale: `mode: eliminate` does not read it; remove it"),
        ("threshold: 4", "threshold: 6", "11: stages[3].threshold: scores of `mode: rubric` go from 1 to 5"),
        ("threshold: 4", "scale: [5, 1]", "11: stages[3].scale: write the lowest and the highest mark, such as [1, 5]"),
        ("threshold: 4", "scale: [1, 5]", "11: stages[3].threshold: missing; without one nothing is near it"),
        (
            "[j1, j2]",
            "[j1, j1]",
            '10: stages[2].endpoint[1]: "j1" sits in this panel already; ask it more by `samples`',
        ),
        ("{to: j3}", "{to: j2}", '10: stages[2].escalate.to: "j2" has been asked already; name another endpoint'),
        ("{to: j3}", "{to: j4}", '10: stages[2].escalate.to: there is no endpoint "j4"'),
        ("[j1, j2]", "j1", "10: stages[2].escalate.when: a single judge cannot be split; write `when: unsure`"),
        ("extract: numeric", "extract: model", "9: stages[1].endpoint: missing; `extract: model` needs it: endpoint:"),
        ("wave: 2", "wave: 0", "9: stages[1].stop.wave: must be at least 1, not 0"),
        ("write: winner", "write: win ner", "9: stages[1].write: must be made of letters"),
        ("winner == '2'", "winer == '2'", '12: stages[4].where: unknown variable "winer"'),
        ("rank, endpoint: j1", "rank, endpoint: j1, constitution: nowhere.yaml", "14: stages[6].constitution: "),
        ("{{ response_a }}", "{{ response }}", '14: stages[6].prompt: unknown variable "response"'),
        (
            "type: rank, ",
            "type: score, features: {steps: 1}, ",
            '15: stages[7].by: "rank" needs a rank stage before it',
        ),
        ("constitution: constitution.yaml\n", "", "9: stages[2].constitution: missing; a judge needs principles"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_to_write(old: str, new: str, message: str) -> None:
    assert GOOD.count(old) == 1
    found = problems(GOOD.replace(old, new))
    assert any(problem.startswith(f"pipeline.yaml:{message}") for problem in found), found


def test_a_score_may_come_from_a_judge_but_not_from_one_that_only_eliminates() -> None:
    head, *_ = GOOD.partition("  - {type: vote")
    judged = head + "  - {type: judge, endpoint: j1%s}\n  - {type: select, by: score}\n"
    assert problems(judged % ", mode: rubric") == []
    (problem,) = problems(judged % "")
    assert problem.endswith('stages[2].by: "score" needs a score stage or a judge that scores before it')


def test_a_vote_cannot_ask_for_waves_from_behind_what_compares_candidates() -> None:
    moved = GOOD.replace("  - {type: vote", "  - {type: rank, name: early, endpoint: j1}\n  - {type: vote")
    (problem,) = problems(moved)
    assert 'stages[2].stop: "early" (rank)' in problem


def test_waves_say_what_stands_between_them_and_whoever_could_count() -> None:
    waves = GOOD.replace("candidates: 8", "candidates: 8, until: {accepted: 1}")
    found = problems(waves)
    assert any(
        'stages[0].until.after: "vote" (vote) right behind it must see all waves at once' in one for one in found
    )
    (alone,) = problems(waves[: waves.index("  - {type: vote")])
    assert (
        "stages[0].until.after: no stage stands behind it, so nothing can be counted; put a verify or a judge" in alone
    )


def test_a_vote_after_a_check_by_gold_is_warned_of_unless_that_only_marks() -> None:
    checked = GOOD.replace(
        "  - {type: vote", '  - {type: verify, check: numeric, against: "{{ answer }}"}\n  - {type: vote'
    )
    marked = checked.replace('answer }}"}', 'answer }}", action: mark}')
    for text, count in ((GOOD, 0), (marked, 0), (checked, 1)):
        assert problems(text) == []
        found = warnings(read_pipeline(Path("pipeline.yaml"), env={}))
        assert len(found) == count
    assert str(found[0]).startswith('pipeline.yaml:10: stages[2].type: whoever comes past "verify"')
