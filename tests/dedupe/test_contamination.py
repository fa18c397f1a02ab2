from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rapidfuzz.fuzz import ratio

from config.schema import Decontaminate
from stages.dedupe.contamination import Benchmark, Row

DUCKS = (
    "Janet's ducks lay sixteen eggs a day. She eats three for breakfast, bakes muffins with four, and sells the rest "
    "at the market for two dollars each. How much does she make every day?"
)
STORY = "It was late when the train came in, and nobody was there to meet it but a dog. "
USUAL = Decontaminate(against=("a.jsonl",), field="question")
BENCHMARK = Benchmark([Row("a.jsonl:1", "Name three primary colours."), Row("a.jsonl:2", DUCKS)], USUAL)

alphabet = st.text(alphabet="abé ", max_size=60)


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


@given(start=st.integers(0, len(words(DUCKS)) - 13), length=st.integers(13, 20), around=st.integers(0, 5))
def test_thirteen_words_of_a_row_are_found_wherever_they_stand(start: int, length: int, around: int) -> None:
    span = words(DUCKS)[start : start + length]
    found = BENCHMARK.overlap(STORY * around + " ".join(span) + "\n" + STORY * (5 - around))
    assert found is not None
    assert found.place == "a.jsonl:2"
    assert found.span.startswith(" ".join(span).lower())


@pytest.mark.parametrize(
    "hide", [str.upper, lambda text: text.replace(" ", " \n "), lambda text: text.replace(".", "!!")]
)
def test_case_punctuation_and_white_space_hide_nothing(hide: Any) -> None:
    assert BENCHMARK.overlap(STORY + hide(DUCKS))


def test_twelve_words_of_a_long_row_are_not_too_many() -> None:
    row = Row("a.jsonl:1", " ".join(f"w{n}" for n in range(100)))
    benchmark = Benchmark([row], USUAL)
    assert benchmark.overlap(" ".join(f"w{n}" for n in range(50, 62))) is None
    found = benchmark.overlap(" ".join(f"w{n}" for n in range(50, 63)))
    assert str(found).startswith('13 words in a row of a.jsonl:1: "w50 w51')


def test_common_runs_that_cover_half_of_a_row_are_enough() -> None:
    """Every tenth word differs, so no thirteen words are the same, and nine of ten lie in common 8-grams."""
    row = [f"w{n}" for n in range(60)]
    text = [word if n % 10 else "other" for n, word in enumerate(row)]
    found = Benchmark([Row("a.jsonl:1", " ".join(row))], USUAL).overlap(" ".join(text))
    assert str(found) == '90% of the words of a.jsonl:1: "w1 w2 w3 w4 w5 w6 w7 w8 w9"'
    assert Benchmark([Row("a.jsonl:1", " ".join(row + row[::-1]))], USUAL).overlap(" ".join(text)) is None


def test_small_changes_everywhere_are_found_by_what_is_alike_as_a_whole() -> None:
    text = " ".join(word + "s" if n % 6 == 0 else word for n, word in enumerate(DUCKS.split()))
    found = BENCHMARK.overlap(text)
    assert str(found).startswith("98% alike to all of a.jsonl:2: \"janet'ss ducks lay")
    assert len(str(found)) < 250


def test_a_row_too_short_for_runs_is_found_as_a_whole() -> None:
    assert BENCHMARK.overlap("name three primary colours")
    assert BENCHMARK.overlap(f"name three primary colours, and why. {STORY}") is None


def test_scripts_without_spaces_have_a_word_for_every_character() -> None:
    benchmark = Benchmark([Row("a.jsonl:1", "小明有五个苹果,他吃了两个,又买了三个,现在他一共有几个?")], USUAL)
    found = benchmark.overlap("请回答下面的问题。他吃了两个,又买了三个,现在他一共。" + "再见" * 30)
    assert found is not None
    assert found.span == " ".join("他吃了两个又买了三个现在他一共")


@example(rows=["aa"], text="aaa", least=0.8)
@given(rows=st.lists(alphabet, max_size=5), text=alphabet, least=st.sampled_from((0.5, 0.8, 0.95, 1.0)))
def test_the_quick_bounds_lose_no_row_that_is_alike(rows: list[str], text: str, least: float) -> None:
    config = USUAL.model_copy(update={"similarity": least})
    benchmark = Benchmark([Row(str(n), row) for n, row in enumerate(rows)], config)
    text = " ".join(text.lower().split())
    alike = [ratio(text, " ".join(row.lower().split())) / 100 for row in rows]
    found = benchmark.overlap(text)
    assert (found is not None) == any(score >= least and score > 0 for score in alike)


def test_an_empty_benchmark_finds_nothing() -> None:
    assert Benchmark([], USUAL).overlap(DUCKS) is None


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_fifty_planted_spans_are_found_among_five_thousand_texts_and_no_false_one(shared_data: Path) -> None:
    problems = [row["prompt"] for row in rows_of(shared_data / "humaneval_100.jsonl")]
    questions = [row["question"] for row in rows_of(shared_data / "gsm8k_train_500.jsonl")]
    benchmark = Benchmark([Row(f"bench:{n}", text) for n, text in enumerate(problems + questions)], USUAL)
    chance = random.Random(7)
    sentences = sentences_of(shared_data)
    texts = [" ".join(chance.sample(sentences, chance.randint(3, 14))) for _ in range(5_000)]
    planted = {}
    for place, source in zip(chance.sample(range(5_000), 50), 25 * [problems] + 25 * [questions], strict=True):
        row = chance.choice([text for text in source if len(words(text)) >= 20])
        start = chance.randrange(len(words(row)) - 14)
        span = " ".join(words(row)[start : start + 15])
        texts[place] += f" {chance.choice((str, str.upper, str.title))(span)} {chance.choice(sentences)}"
        planted[place] = span
    found = {place: overlap for place, text in enumerate(texts) if (overlap := benchmark.overlap(text))}
    assert found.keys() == planted.keys()
    for place, span in planted.items():
        assert span.lower() in found[place].span


def sentences_of(shared_data: Path) -> list[str]:
    """Return real sentences that no benchmark here has: other questions, models' solutions, instructions."""
    solved = rows_of(shared_data / "gsm8k_model_solutions_300.jsonl")
    tasks = rows_of(shared_data / "self_instruct_seed_tasks.jsonl")
    texts = [row["question"] + " " + row["175b_verification"]["solution"] for row in solved]
    texts += [
        row["instruction"] + " " + one["input"] + " " + one["output"] for row in tasks for one in row["instances"]
    ]
    return [sentence for text in texts for sentence in re.split(r"(?<=[.?!])\s+", text) if len(sentence) > 20]
