from __future__ import annotations

import json
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.verify.sandbox.inside.values import decode, encode

HASHABLE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
    | st.complex_numbers(allow_nan=False),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
PLAIN = st.recursive(
    HASHABLE,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(HASHABLE, inner, max_size=3) | st.sets(HASHABLE, max_size=3)
    ),
    max_leaves=10,
)


def no_handle(*value: Any) -> NoReturn:
    raise AssertionError(f"{value!r} is plain")


def across(value: Any) -> Any:
    return decode(json.loads(json.dumps(encode(value, no_handle))), no_handle)


@given(PLAIN)
def test_plain_data_crosses_unchanged_in_value_and_type(value):
    crossed = across(value)
    assert crossed == value
    assert repr(type(crossed)) == repr(type(value))


def test_what_is_not_plain_crosses_as_a_handle_wherever_it_stands():
    thing = object()
    assert encode([thing], lambda value: [7, type(value).__name__]) == ["l", ["h", 7, "object"]]
    assert decode(["l", ["h", 7, "object"]], lambda index, kind: (index, kind)) == [(7, "object")]


def test_types_made_to_deceive_cross_as_the_plain_ones_they_derive_from():
    class Equal(int):
        __eq__ = lambda self, other: True  # noqa: E731  as terse as the deceit
        __hash__ = int.__hash__

    crossed = across([Equal(5)])
    assert type(crossed[0]) is int
    assert crossed != [4]


@pytest.mark.parametrize("data", [[], ["x"], ["d", 1], ["b", "no hex"], ["s", ["l"]], ["h"], [["l"]]])
def test_what_no_encoder_made_is_an_error_and_never_a_value(data):
    with pytest.raises((ValueError, TypeError, KeyError)):
        decode(data, lambda index, kind: None)
