"""Known questions are found inside prompts, whatever stands around them."""

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.simulator.questions import KnownQuestions
from stages.core.errors import InputError

QUESTION = "Natalia sold clips to 48 of her friends in April. How many did she sell in May?"


def found(known: KnownQuestions, prompt: str) -> list[str]:
    return [hit.gold for hit in known.find(prompt)]


def test_a_question_is_found_in_another_layout_and_case() -> None:
    known = KnownQuestions([(QUESTION, "72")])
    prompt = f"Solve this:\n> {QUESTION.upper().replace(' ', '  ')}\nThink first."
    assert found(known, prompt) == ["72"]


def test_the_end_of_a_question_is_where_the_response_begins() -> None:
    (hit,) = KnownQuestions([(QUESTION, "72")]).find(f"Question: {QUESTION}\nResponse: 48.")
    assert f"Question: {QUESTION}\nResponse: 48."[hit.end :] == "?\nResponse: 48."


def test_one_other_word_is_another_question() -> None:
    assert found(KnownQuestions([(QUESTION, "72")]), QUESTION.replace("48", "49")) == []


def test_operators_tell_questions_apart() -> None:
    known = KnownQuestions([("What is 5 - 3?", "2"), ("What is 5 + 3?", "8")])
    assert found(known, "What is 5 + 3?") == ["8"]


def test_of_a_question_and_its_beginning_the_longer_is_meant() -> None:
    known = KnownQuestions([("What is two", "short"), ("What is two plus two plus two plus two plus one", "long")])
    assert found(known, "what is two plus two plus two plus two plus one?") == ["long"]
    assert found(known, "what is two plus?") == ["short"]


def test_several_questions_come_in_their_order() -> None:
    known = KnownQuestions([("alpha beta", "1"), ("gamma delta", "2")])
    assert found(known, "gamma delta! alpha beta!") == ["2", "1"]


@given(st.lists(st.text(st.sampled_from("abc +"), min_size=1), min_size=1, max_size=8), st.integers(0, 7), st.text())
def test_every_question_is_found_between_any_words(questions: list[str], which: int, around: str) -> None:
    known = KnownQuestions((f"why {question} then", str(n)) for n, question in enumerate(questions))
    asked = questions[which % len(questions)]
    assert found(known, f"\n.why {asked} then. {around}")


def write(folder: Path, *lines: bytes) -> Path:
    path = folder / "truth.jsonl"
    path.write_bytes(b"\n".join(lines))
    return path


def test_the_gold_comes_from_the_template(tmp_path: Path) -> None:
    path = write(tmp_path, orjson.dumps({"q": "How many?", "answer": "two and two #### 4"}))
    known = KnownQuestions.load(path, "q", "{{ answer | after('####') }}")
    assert found(known, "How many?") == ["4"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"{broken", "truth.jsonl:2: not JSON"),
        (b'{"prompt": "How?"}', "truth.jsonl: row 2: no column 'question'; there is: prompt"),
        (b"[1]", "truth.jsonl:2: a JSON object is expected"),
        (b'{"question": "How?"}', "truth.jsonl: row 2: --gold: "),
    ],
)
def test_a_bad_row_is_named_with_its_place(tmp_path: Path, line: bytes, words: str) -> None:
    path = write(tmp_path, b'{"question": "Why?", "answer": "so"}', line)
    with pytest.raises(InputError, match=words):
        KnownQuestions.load(path, "question", "{{ answer }}")


def test_a_missing_file_is_the_persons_to_mend(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        KnownQuestions.load(tmp_path / "nowhere.jsonl", "question", "{{ answer }}")


def test_real_questions_are_all_found_in_a_prompt(shared_data: Path) -> None:
    path = shared_data / "gsm8k_train_500.jsonl"
    known = KnownQuestions.load(path, "question", "{{ answer | after('####') }}")
    rows = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    golds = [found(known, f"You are a tutor.\n\n{row['question']}\n\nAnswer:") for row in rows]
    assert golds == [[row["answer"].split("####")[1].strip()] for row in rows]
