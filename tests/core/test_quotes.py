from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.quotes import find_span
from stages.core.text import normal

CURLY, OPEN, CLOSE, DASH = "\u2019", "\u201c", "\u201d", "\u2013"
TYPED = str.maketrans({CURLY: "'", OPEN: '"', DASH: "-"})
"""What a person types, or a model writes, for those."""
SOURCE = f"It{CURLY}s a {OPEN}drum sieve{CLOSE} {DASH}\n  made of\tsteel (18/10)."


@pytest.mark.parametrize(
    ("quoted", "found"),
    [
        ('It\'s a "drum sieve" - made', SOURCE[:28]),
        (f"{OPEN}made of steel (18/10).{CLOSE}", "made of\tsteel (18/10)."),
        ("  made of\n steel", "made of\tsteel"),
        ("steel", "steel"),
        ("Made of steel", None),
        ("made of stee1", None),
        ("made steel", None),
        (".*", None),
        ("", None),
        ('""', None),
    ],
)
def test_a_quotation_is_found_word_for_word_whatever_its_white_space_and_marks(quoted: str, found: str | None) -> None:
    span = find_span(quoted, SOURCE)
    assert (span and span.text) == found


TEXTS = st.text(alphabet=f"ab.'{CURLY}\"{OPEN}-{DASH} \n\t(*\\é", max_size=40)


@given(TEXTS, TEXTS, st.data())
def test_what_is_cut_out_of_a_text_is_found_in_it(before: str, after: str, data: st.DataObject) -> None:
    source = f"{before}word{after}"
    start = data.draw(st.integers(0, len(before)))
    end = data.draw(st.integers(len(before) + 4, len(source)))
    retyped = " ".join(source[start:end].translate(TYPED).split())
    span = find_span(retyped, source)
    assert span is not None


@given(TEXTS, TEXTS)
def test_a_span_is_the_source_between_its_offsets_and_says_what_was_quoted(quoted: str, source: str) -> None:
    span = find_span(quoted, source)
    if span is not None:
        assert source[span.start : span.end] == span.text
        assert normal(span.text.translate(TYPED)) in normal(quoted.translate(TYPED))
