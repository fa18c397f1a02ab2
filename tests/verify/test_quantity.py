from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.verify.quantity import Quantity, quantities, same, whole_quantity
from stages.verify.units import unit_of


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18", "18"),
        ("018", "18"),
        ("+7", "7"),
        ("-5", "-5"),
        ("−5", "-5"),  # noqa: RUF001  the minus sign proper is meant
        ("$-5", "-5"),
        ("-$5", "-5"),
        ("$1,234.50", "1234.5"),
        ("12,345,678", "12345678"),
        ("70\\,000", "70000"),
        ("70{,}000", "70000"),
        ("70\u202f000", "70000"),
        (".5", "0.5"),
        ("18.", "18"),
        ("3/4", "0.75"),
        ("1/3", "1/3"),
        ("-3/4", "-0.75"),
        ("1 1/2", "1.5"),
        ("1½ cups", "1.5"),
        ("\\frac{3}{4}", "0.75"),
        ("\\frac34", "0.75"),
        ("1\\frac{1}{2}", "1.5"),
        ("25%", "25%"),
        ("25\\%", "25%"),
        ("25 percent", "25%"),
        ("1.2e5", "120000"),
        ("1.5E-3", "0.0015"),
        ("1.2 \\times 10^{5}", "120000"),
        ("6 × 10^2", "600"),  # noqa: RUF001  the multiplication sign is meant
        ("**18**", "18"),
        ("18 apples", "18"),
        ("123456789012345678901234567890.5", "123456789012345678901234567890.5"),
        ("18 dollars per day", "18"),
        ("5\\text{ cm}", "5"),
        ("45^\\circ", "45"),
    ],
)
def test_a_text_that_is_one_number_is_read_exactly(text, value):
    quantity = whole_quantity(text)
    assert quantity is not None
    assert str(quantity) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "eggs",
        "3 * 5",
        "3x5",
        "2-3",
        "16 - 3 = 13",
        "5:30",
        "1,23",
        "1,2,3",
        "2x",
        "2 pi",
        "x = 5",
        "(1, 2)",
        "A5",
        "2**3",
        "10^2",
        "1/0",
        "1/0.0",
        "1e999999",
        "9" * 500,
        "3rd",
        "1.2.3",
        "5 or 6",
        "\\sqrt{2}",
        "sqrt(2)",
        "5 - x",
    ],
)
def test_a_text_that_is_more_or_less_than_one_number_is_none(text):
    assert whole_quantity(text) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("16 - 3 - 4 = 9 eggs, sold at $2 each", ["9", "2"]),
        ("She eats 3, bakes 4 and sells 9.", ["3", "4", "9"]),
        ("- 5 apples\n- 7 pears", ["5", "7"]),
        ("a total of -5", ["-5"]),
        ("7 days at 5 * 6", ["7"]),
        ("at 5:30 she has 2,000", ["2000"]),
        ("x-5 and A5 and 2x and 3rd", []),
        ("from 25% to 1/2", ["25%", "0.5"]),
    ],
)
def test_numbers_in_prose_are_found_and_parts_of_expressions_are_not(text, found):
    assert [str(quantity) for quantity in quantities(text)] == found


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("18", "18.0"),
        ("18", "18 apples"),
        ("$18", "18"),
        ("$18 per day", "$18"),
        ("$18/hour", "18 dollars per hour"),
        ("25%", "0.25"),
        ("25%", "25"),
        ("25%", "1/4"),
        ("50 cents", "$0.50"),
        ("5 km", "5000 m"),
        ("36 km/h", "10 m/s"),
        ("1 m^2", "10000 square cm"),
        ("1 liter", "1000 cm^3"),
        ("0.333333", "1/3"),
        ("4.9999999999", "5"),
        ("1 foot", "12 inches"),
    ],
)
def test_quantities_that_say_the_same(one, other):
    first, second = whole_quantity(one), whole_quantity(other)
    assert first is not None
    assert second is not None
    assert same(first, second)
    assert same(second, first)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("18", "81"),
        ("12345678", "12345679"),
        ("5", "-5"),
        ("0.3333", "1/3"),
        ("25", "0.25"),
        ("25%", "2.5%"),
        ("5 km", "5 m"),
        ("5 m", "5 kg"),
        ("12 cm^2", "12 cm^3"),
        ("5 km/h", "5 m/s"),
        ("$5", "5 cents"),
        ("0", "0.000001"),
    ],
)
def test_quantities_that_do_not(one, other):
    first, second = whole_quantity(one), whole_quantity(other)
    assert first is not None
    assert second is not None
    assert not same(first, second)
    assert not same(second, first)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**15), max_value=10**15))
def test_every_decimal_reads_back_in_every_way_of_writing_it(number):
    for text in (f"{number:f}", f"{number:,f}", f"${number:,f}", f"{number:f} apples", f"**{number:f}**"):
        quantity = whole_quantity(text)
        assert quantity is not None, text
        assert quantity.value == Fraction(number), text


@given(st.fractions(max_denominator=10**6))
def test_a_quantity_reads_back_from_its_own_words(value):
    quantity = Quantity(value)
    assert whole_quantity(str(quantity)) == quantity


@given(st.text(alphabet="0123456789.,-+*/^%$()[]{}\\ =:xe\n", max_size=60))
def test_no_text_makes_reading_numbers_fail(text):
    whole_quantity(text)
    quantities(text)


@pytest.mark.parametrize("word", ["apples", "", "e", "x", "per", "\\pi", "square apples", "cm per apple"])
def test_a_word_that_is_no_known_unit_is_none(word):
    assert unit_of(word) is None
