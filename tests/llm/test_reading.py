from __future__ import annotations

from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.llm.protocol import Choice
from stages.llm.reading import Worth, grade, read, side, truth

FIVE = grade(1, 5)


def said(text: str, *keys: str, worth: Worth = truth) -> dict[str, float] | None:
    found = read(Choice(text), keys or ("pass",), worth)
    return found and found.values


@pytest.mark.parametrize(
    ("text", "passes", "principle"),
    [
        ('{"principle": "none", "pass": true}', 1, "none"),
        ('```json\n{"principle": "polite", "pass": false}\n```', 0, "polite"),
        ('Let me see {it}. {"pass": "No", "principle": "polite"} I hope this helps.', 0, "polite"),
        ('{"verdict": {"principle": "none", "pass": true}}', 1, "none"),
        ('{"principle": "polite", "pass": false, "why": "it is ru', 0, None),
        ("Yes, it passes.", 1, None),
        ("**No**", 0, None),
        ("Verdict: fail", 0, None),
        ("pass: no", 0, None),
    ],
)
def test_what_a_judge_said_is_read(text: str, passes: float, principle: str | None):
    found = read(Choice(text), ("pass",), truth)
    assert found
    assert (found.values, found.said.get("principle")) == ({"pass": passes}, principle)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I would say yes",
        "No. Well, yes.",
        '{"pass": null}',
        '{"score": 4}',
        '{"pass": 1}',
        '{"principle": "polite", "pass": fal',
        '{"principle": "passes"}',
        "passable",
        "{" * 5_000,
        '{"pass":' * 5_000,
    ],
)
def test_what_cannot_be_told_is_no_judgement(text: str):
    assert said(text) is None


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ('{"score": 4}', 4),
        ('{"score": "4/5"}', 4),
        ('{"score": 3.5, "why', 3.5),
        ("4", 4),
        ("**Score:** 4/5", 4),
        ("4 out of 5, since it shows its steps", 4),
        ('{"score": 6}', None),
        ('{"score": true}', None),
        ('{"score": 4', None),
        ("between 3 and 4", None),
        ("3 or 4", None),
        ("five", None),
    ],
)
def test_a_grade_is_read_on_its_scale_and_no_other(text: str, score: float | None):
    assert said(text, "score", worth=FIVE) == (None if score is None else {"score": score})


@pytest.mark.parametrize(
    ("text", "better"),
    [('{"better": "A"}', 1), ("B", 0), ("tie", 0.5), ("Better: B.", 0), ("A is better than B", None)],
)
def test_which_of_two_is_better_is_read(text: str, better: float | None):
    assert said(text, "better", worth=side) == (None if better is None else {"better": better})


def test_several_keys_are_all_read_or_none():
    assert said('{"kind": 4, "true": 2}', "kind", "true", worth=FIVE) == {"kind": 4, "true": 2}
    assert said('{"kind": 4, "true": 2, "wh', "kind", "true", worth=FIVE) == {"kind": 4, "true": 2}
    assert said('{"kind": 4}', "kind", "true", worth=FIVE) is None
    assert said("4", "kind", "true", worth=FIVE) is None


def token(text: str, **chances: float) -> dict[str, object]:
    top = [{"token": name, "logprob": log(chance)} for name, chance in chances.items()]
    return {"token": text, "logprob": -0.1, "top_logprobs": top}


def test_with_log_probabilities_a_score_is_their_expectation_over_the_scale():
    tokens = [
        token('{"'),
        token("score"),
        token('":'),
        token(" 4", **{" 4": 0.6, " 5": 0.2, "4": 0.1, "x": 0.1}),
        token("}"),
    ]
    found = read(Choice('{"score": 4}', logprobs=tokens), ("score",), FIVE)
    assert found
    assert found.values["score"] == pytest.approx((4 * 0.7 + 5 * 0.2) / 0.9)


def test_a_bare_word_has_its_expectation_too():
    tokens = [token("\n"), token("Yes", Yes=0.75, No=0.25), token(".")]
    found = read(Choice("\nYes.", logprobs=tokens), ("pass",), truth)
    assert found
    assert found.values["pass"] == pytest.approx(0.75)


def test_a_value_of_several_tokens_or_without_alternatives_counts_as_it_was_said():
    halves = [token('{"score": '), token("1", **{"1": 0.5, "9": 0.5}), token("0"), token("}")]
    found = read(Choice('{"score": 10}', logprobs=halves), ("score",), grade(1, 10))
    assert found
    assert found.values["score"] == 10
    bare = [{"token": "4", "logprob": -0.1, "top_logprobs": None}]
    found = read(Choice("4", logprobs=bare), ("score",), FIVE)
    assert found
    assert found.values["score"] == 4


ANY = st.none() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=3)
TOKENS = st.fixed_dictionaries({}, optional={"token": ANY, "logprob": ANY})
TOPS = st.lists(TOKENS | ANY, max_size=3) | st.dictionaries(st.text(max_size=3), ANY) | ANY


@given(st.lists(st.fixed_dictionaries({}, optional={"token": ANY | st.just("4"), "top_logprobs": TOPS}), max_size=3))
def test_log_probabilities_that_are_none_count_for_nothing(tokens: list[dict[str, object]]):
    found = read(Choice("4", logprobs=tokens), ("score",), FIVE)
    assert found
    assert 1 <= found.values["score"] <= 5


def test_an_alternative_without_a_chance_is_no_alternative():
    """Some servers write null for the logarithm of nothing."""
    tokens = [{"token": "4", "top_logprobs": [{"token": "4", "logprob": -0.1}, {"token": "1", "logprob": None}]}]
    found = read(Choice("4", logprobs=tokens), ("score",), FIVE)
    assert found
    assert found.values["score"] == 4


@given(st.text() | st.text(alphabet='{}[]":, passtruefalse4/'), st.booleans())
def test_no_reply_breaks_the_reader(text: str, logprobs: bool):
    tokens = [
        {"token": letter, "logprob": -1.0, "top_logprobs": [{"token": "4", "logprob": -9999.0}]} for letter in text
    ]
    for worth in (truth, FIVE, side):
        read(Choice(text, logprobs=tokens if logprobs else None), ("pass",), worth)
