from __future__ import annotations

from pathlib import Path

import pytest
from stored_groups import group

from service.audit.gold import Gold
from stages.core.errors import InputError
from stages.core.record import Candidate


def gold(path: Path, *lines: str) -> Gold:
    path.write_text("".join(f"{line}\n" for line in lines))
    return Gold.load(path)


def test_a_label_is_what_it_says_and_an_answer_is_compared(tmp_path: Path) -> None:
    texts = ("The answer is 12.", "So it is 1/2.", "The answer is 0.5", "no idea", "not in the file", "x^2+1")
    one = group(0, *(Candidate(0, text) for text in texts))
    rows = gold(
        tmp_path / "gold.jsonl",
        '{"id": "q0/0", "label": false}',
        '{"id": "q0/1", "answer": "0.5"}',
        '{"id": "q0/2", "answer": 0.75}',
        '{"id": "q0/3", "answer": "4", "label": null}',
        '{"id": "q0/5", "answer": "1+x^2"}',
        '{"id": "elsewhere", "label": true}',
    )
    truths = [rows.truth(one, candidate) for candidate in one.candidates]
    assert truths == [False, True, False, False, None, None], "what only a library could compare is not guessed"


def test_every_row_that_is_none_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "gold.jsonl"
    with pytest.raises(InputError) as caught:
        gold(
            path,
            '{"id": "a", "label": true}',
            '{"id": "a", "label": false}',
            "[]",
            '{"id": 3, "label": true}',
            '{"id": "b"}',
            '{"id": "c", "label": "yes"}',
            "{",
        )
    form = 'a row is an object with `id`, e.g. {"id": "q1/0", "label": true}'
    what = "write `label` (true or false), or `answer` (a text or a number)"
    said = [problem.removeprefix(f"{path}:") for problem in caught.value.problems]
    assert said[:5] == [
        *(
            "2: the id a stands here twice; keep one of the rows",
            f"3: {form}",
            f"4: {form}",
            f"5: {what}",
            f"6: {what}",
        ),
    ]
    assert said[5].startswith("7: not JSON")


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: No such file or directory; a gold file is written by `tamis label`"):
        Gold.load(tmp_path / "nowhere")
