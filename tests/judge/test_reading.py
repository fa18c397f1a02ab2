from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.judge.reading import Judgement, read_judgement


@pytest.mark.parametrize(
    ("text", "passes", "principle"),
    [
        ('{"principle": "none", "pass": true}', True, "none"),
        ('```json\n{"principle": "polite", "pass": false}\n```', False, "polite"),
        ('Let me see {it}. {"pass": "No", "principle": "polite"} I hope this helps.', False, "polite"),
        ('{"verdict": {"principle": "none", "pass": true}}', True, "none"),
        ('{"principle": "polite", "pass": false, "why": "it is ru', False, ""),
        ("Yes, it passes.", True, ""),
        ("**No**", False, ""),
        ("Verdict: fail", False, ""),
        ("pass: no", False, ""),
    ],
)
def test_what_a_judge_said_is_read(text: str, passes: bool, principle: str):
    assert read_judgement(text) == Judgement(passes, principle)


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
    assert read_judgement(text) is None


@given(st.text() | st.text(alphabet='{}[]":, passtruefalse'))
def test_no_reply_breaks_the_reader(text: str):
    read_judgement(text)
