from __future__ import annotations

from pathlib import Path

import pytest

from config.schema import Decontaminate
from stages.core.base import Place
from stages.core.errors import InputError
from stages.core.record import Candidate, Group, Seed
from stages.dedupe.decontaminate import DecontaminateStage, read_rows

KNOWN = "Janet's ducks lay sixteen eggs a day and she eats three of them for breakfast with bread"


@pytest.fixture
def bench(tmp_path: Path) -> str:
    path = tmp_path / "bench.jsonl"
    path.write_text(f'{{"question": "Who?"}}\n\n{{"question": "{KNOWN}", "answer": "13"}}\n', encoding="utf-8")
    return str(path)


async def judged(bench: str, on: str, prompt: str, *texts: str) -> list[Candidate]:
    stage = DecontaminateStage(Place("clean", 1), Decontaminate(against=(bench,), field="question", on=on))
    await stage.start()
    messages = [{"role": "user", "content": prompt}]
    group = Group(Seed(0, "s", {}), [Candidate(n, text, prompt=messages) for n, text in enumerate(texts)])
    await stage.process(group)
    await stage.stop()
    return group.candidates


@pytest.mark.parametrize(
    ("on", "prompt", "states"),
    [
        ("prompt", "Why?", ["live", "live"]),
        ("prompt", f"Solve: {KNOWN}.", ["rejected", "rejected"]),
        ("response", f"Solve: {KNOWN}.", ["live", "rejected"]),
        ("pair", "Why?", ["live", "rejected"]),
        ("pair", f"Solve: {KNOWN}.", ["rejected", "rejected"]),
    ],
)
async def test_what_is_looked_at_is_what_was_asked_for(bench: str, on: str, prompt: str, states: list[str]) -> None:
    candidates = await judged(bench, on, prompt, "Thirteen.", f"Let me repeat: {KNOWN}!")
    assert [candidate.state for candidate in candidates] == states


async def test_a_reject_says_with_what_it_overlaps_and_where_that_stands(bench: str) -> None:
    (candidate,) = await judged(bench, "response", "Why?", f"Well: {KNOWN}!")
    assert (candidate.stage, candidate.reason) == ("clean", "contaminated")
    assert candidate.detail.startswith('18 words in a row of bench.jsonl:3: "janet s ducks lay sixteen eggs')
    assert candidate.verdicts["clean"].data == {"benchmark": "bench.jsonl:3"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "bench.jsonl:2: not JSON: "),
        ('{"answer": "x", "n": 1}', 'bench.jsonl:2: there is no text in "question"; the row has: answer, n'),
        ('{"question": 3}', 'bench.jsonl:2: there is no text in "question"; the row has: question'),
        ("[1]", 'bench.jsonl:2: there is no text in "question"'),
    ],
)
def test_a_benchmark_that_cannot_be_read_is_told_with_the_line(tmp_path: Path, line: str, words: str) -> None:
    path, nowhere = tmp_path / "bench.jsonl", tmp_path / "nowhere.jsonl"
    path.write_text('{"question": "Who?"}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(InputError) as refused:
        read_rows([str(path), str(nowhere)], "question")
    first, second = refused.value.problems
    assert words in first
    assert second == f"{nowhere}: No such file or directory"
