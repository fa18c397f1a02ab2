"""What `tamis check` says of transforms, and what another transform means to a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.load import read_pipeline
from config.schema import Pipeline
from service.check import check
from service.runs.fingerprint import differences, fingerprint
from stages.prompts.builtin import builtin

GOOD = """\
endpoints:
  main: {base_url: "http://127.0.0.1:1/v1", model: m}
source: {type: jsonl, path: docs.jsonl}
stages:
  - {type: transform, name: ask, kind: convert, to: qa, endpoint: main, column: text, evidence: span, emit: seeds}
  - {type: transform, name: vary, kind: augment, endpoint: main, column: question, ways: [deepen], emit: seeds}
  - {type: generate, endpoint: main, prompts: ["{{ question }} {{ evidence_start }}"]}
  - {type: verify, check: grounded, against: "{{ text }}", min_score: 0.5}
  - {type: transform, kind: succinct, endpoint: main, prompt: "{{ task }} {{ response }} {{ answer }}"}
  - {type: transform, name: style, kind: restyle, endpoint: main, style: "As {{ text }}", gate: {same_answer: true}}
  - {type: transform, name: edit, kind: critique_revise, endpoint: main, constitution: c.yaml, principles: {sample: 1}}
  - {type: select, by: score}
"""
ROWS = """\
endpoints: {main: {base_url: "http://127.0.0.1:1/v1", model: m}}
source: {type: jsonl, path: docs.jsonl}
stages:
  - {type: transform, kind: convert, to: qa, evidence: span, endpoint: main, column: text, prompt: "{{ document }}"}
  - {type: verify, check: grounded, against: "{{ text }}", where: "evidence_start > 5"}
outputs: [{format: sft}]
"""

CONVERT = "to: qa, endpoint: main, column: text, evidence: span"
REVISE = "kind: critique_revise, endpoint: main, constitution: c.yaml, principles: {sample: 1}"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs.jsonl").write_text('{"id": "a", "text": "It is so."}\n')
    (tmp_path / "c.yaml").write_text("principles:\n  - {id: clear, text: It is clear.}\n")
    monkeypatch.chdir(tmp_path)


def read(text: str) -> tuple[Pipeline, list[str]]:
    Path("pipeline.yaml").write_text(text)
    loaded = read_pipeline(Path("pipeline.yaml"), env={})
    assert loaded.pipeline is not None
    return loaded.pipeline, [str(problem) for problem in (*loaded.problems, *check(loaded, {}))]


@pytest.mark.parametrize("text", [GOOD, ROWS])
def test_all_of_it_is_available_and_new_columns_are_known(text: str) -> None:
    assert read(text)[1] == []


def test_conversations_need_no_prompt_to_be_answered() -> None:
    chat = GOOD.replace("to: qa", "to: chat").replace(", evidence: span", "")
    chat = chat.replace("column: question", "column: text")
    generate = '  - {type: generate, endpoint: main, prompts: ["{{ question }} {{ evidence_start }}"]}\n'
    assert generate in chat
    bare = chat.replace(generate, "  - {type: generate, endpoint: main}\n").replace(" {{ answer }}", "")
    assert read(bare)[1] == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("to: qa, ", "", "5: stages[0].to: missing; `kind: convert` needs it: to: qa"),
        ("column: text, ", "", "5: stages[0].column: missing; `kind: convert` needs it: column: question"),
        ("column: text", "column: txt", '5: stages[0].column: unknown column "txt"; the source has: id, text'),
        ("column: question", "column: qestion", '6: stages[1].column: unknown column "qestion"'),
        (", evidence: span", ", keep: both", "5: stages[0].keep: `kind: convert` does not read it; remove it"),
        (", evidence: span", ", schema: {}", "5: stages[0].schema: `to: qa` does not read it; remove it"),
        (CONVERT, "to: schema, endpoint: main, column: text", "5: stages[0].schema: missing; `to: schema` needs it"),
        (CONVERT, "to: schema, endpoint: main, column: text, schema: {type: array}",
         "5: stages[0].schema: its `properties` become the columns"),
        ("evidence: span", "gate: {same_answer: true}", "5: stages[0].gate.same_answer: compares a text with its rewr"),
        ("ways: [deepen], ", "", "6: stages[1].ways: missing; `kind: augment` needs it: ways: [paraphrase, deepen]"),
        ("ways: [deepen], emit: seeds", "ways: [deepen]", "6: stages[1].emit: missing; `kind: augment` needs it"),
        ("{{ evidence_start }}", "{{ evidence_begin }}", '7: stages[2].prompts[0]: unknown variable "evidence_begin"'),
        ('against: "{{ text }}", ', "", "8: stages[3].against: missing; `check: grounded` needs it"),
        ("{{ task }} {{ resp", "{{ style }} {{ resp", '9: stages[4].prompt: unknown variable "style"'),
        ('style: "As {{ text }}", ', "", "10: stages[5].style: missing; `kind: restyle` needs it"),
        ("{same_answer: true}", "{extract: text}", "10: stages[5].gate.extract: only `same_answer: true` reads it"),
        ("{same_answer: true}", "{schema: {type: 5}}", "10: stages[5].gate: `schema` is not a JSON schema"),
        ("{same_answer: true}", "{equivalent: {endpoint: mian}}",
         '10: stages[5].gate.equivalent.endpoint: there is no endpoint "mian"'),
        ("constitution: c.yaml", "rounds: 2", "11: stages[6].constitution: missing; a critic needs principles"),
        ("constitution: c.yaml", "constitution: d.yaml", "11: stages[6].constitution: "),
        ("constitution: c.yaml", "constitution: c.yaml, keep: both, on_failure: drop",
         "11: stages[6].on_failure: `keep: both` keeps the original whatever comes; remove it"),
        ("principles: {sample: 1}", 'prompt: "x"', "11: stages[6].prompt: `kind: critique_revise` does not read it"),
        (REVISE, "kind: custom, endpoint: main", "11: stages[6].prompt: missing; `kind: custom` needs it"),
        (REVISE, "kind: backtranslate, column: text, endpoint: main",
         '11: stages[6].type: `kind: backtranslate` works on rows, and "generate" has given them candidates; move it'),
        ("evidence: span, emit: seeds}\n",
         "evidence: span, emit: seeds}\n  - {type: transform, name: early, kind: succinct, endpoint: main}\n",
         "6: stages[1].type: nothing before it makes candidates, so there is nothing to rewrite; move it down"),
        ("path: docs.jsonl", "path: docs.jsonl, candidates: text",
         '5: stages[0].type: `kind: convert` works on rows, and the source has given them candidates; move it up'),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(old: str, new: str, message: str) -> None:
    assert old in GOOD
    found = read(GOOD.replace(old, new, 1))[1]
    assert [line for line in found if line.startswith("pipeline.yaml:" + message)], found


def test_another_prompt_or_constitution_is_another_run(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(read(GOOD)[0], "")
    Path("c.yaml").write_text("principles:\n  - {id: clear, text: It is dark.}\n")
    assert differences(before, fingerprint(read(GOOD)[0], "")) == ["stages[6] (edit): constitution changed"]
    Path("c.yaml").write_text("principles:\n  - {id: clear, text: It is clear.}\n")
    monkeypatch.setattr("service.runs.fingerprint.builtin", lambda name: builtin(name) + " And so on.")
    changed = {line.split(":")[0] for line in differences(before, fingerprint(read(GOOD)[0], ""))}
    assert changed == {f"stages[{n}] ({name})" for n, name in ((0, "ask"), (1, "vary"), (5, "style"), (6, "edit"))}
