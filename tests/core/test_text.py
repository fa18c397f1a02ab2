from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stages.core.text import normal


def test_case_width_and_white_space_do_not_make_a_text_another():
    assert normal("  The \uff21\uff2e\uff33\uff37\uff25\uff32\n\tis ½ ") == normal("the answer is 1\u20442")
    assert normal("x = 1") != normal("x = 2")


@given(st.text())
def test_the_normal_form_of_a_normal_form_is_itself(text: str):
    assert normal(normal(text)) == normal(text)
