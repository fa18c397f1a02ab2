from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.errors import CandidateError
from stages.prompts.template import Expression, Template, TemplateError


def render(source: str, **scope: Any) -> str:
    return Template(source).render(scope)


def test_variables_filters_and_columns_with_odd_names() -> None:
    row = {"6b_finetuning": {"solution": "x"}, "items": "mine"}
    assert render("{{ row['6b_finetuning'].solution }} {{ row.items }}", row=row) == "x mine"
    assert render("{{ answer | after('####') }}", answer="so 2 #### 1,234 ") == "1,234"


def test_values_stand_in_a_text_as_people_expect() -> None:
    """Nothing for null, JSON for lists and objects, everything else as it is."""
    assert (
        render("{{ a }}|{{ b }}|{{ c }}|{{ d }}", a=None, b=["ä", 1], c={"k": None}, d=2.5) == '|["ä",1]|{"k":null}|2.5'
    )


def test_blocks_leave_no_empty_lines() -> None:
    assert render("{% for x in xs %}\n  {{ x }}\n{% endfor %}\nend", xs=[1, 2]) == "  1\n  2\nend"


def test_a_value_that_looks_like_a_template_stays_text() -> None:
    """What a model wrote is never rendered."""
    hostile = "{{ 7 * 7 }}{% for x in y %}{{ ''.__class__ }}"
    assert render("{{ text }}", text=hostile) == hostile
    assert render("{{ a ~ b }}", a="{{ 7", b=" * 7 }}") == "{{ 7 * 7 }}"


@given(st.integers(-(10**12), 10**12))
def test_number_reads_back_any_number_with_separators(value: int) -> None:
    assert render("{{ (x | number) + 0 }}", x=f"costs ${value:,}.") == str(value)


@pytest.mark.parametrize(
    ("text", "number"),
    [("3 then 5-3", "3"), ("x = -7.50", "-7.5"), ("1,23", "23"), (".5", "0.5"), ("-1,234,567", "-1234567"), (12, "12")],
)
def test_number_is_the_last_number_of_a_text(text: object, number: str) -> None:
    assert render("{{ x | number }}", x=text) == number


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ qestion }}", "'qestion' is undefined"),
        ("{{ row.qestion }}", "no attribute 'qestion'"),
        ("{{ question | after('####') }}", 'there is no "####" in "two?"'),
        ("{{ question | number }}", 'there is no number in "two?"'),
        ("{{ nothing | after('x') }}", "'nothing' is undefined"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ question + 1 }}", "str"),
        ("{{ question.upper }}", "write it with ()"),
        ("{{ question.__class__ }}", "unsafe"),
    ],
)
def test_what_cannot_be_rendered_for_a_row_fails_that_row_with_the_reason(source: str, words: str) -> None:
    with pytest.raises(CandidateError) as caught:
        render(source, question="two?", row={"question": "two?"})
    assert caught.value.reason == "template"
    assert words in caught.value.detail
    assert source in caught.value.detail


def test_a_value_nested_too_deeply_for_a_text_fails_its_row() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(CandidateError, match=r"template: .*recursion"):
        render("{{ deep | upper }}", deep=nested)


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        ("a\n{{ b", 2, "unexpected end of template, expected }}."),
        ("{% if b", 1, "unexpected end of template, expected %}."),
        ("{{ b c }}", 1, "expected token }}, got 'c'"),
        ("a\nb\n{% endfor %}", 3, "endfor"),
        ("\n{{ a | upperr }}", 2, 'there is no filter "upperr"'),
        ("{{ a | _bound }}", 1, "there is no filter"),
        ("{{ a is nice }}", 1, "No test named 'nice'"),
        ("{% macro f() %}{% endmacro %}", 1, "`macro` is not for templates"),
        ("{% include 'x' %}", 1, "`include` is not for templates"),
        ("{% set x %}{% endset %}", 1, "`assignblock` is not for templates"),
        ("{% for x in y recursive %}{% endfor %}", 1, "recursive"),
        ("{{ 2 ** 9 }}", 1, "`pow` is not for templates"),
        ("{{ a.center(9) }}", 1, "`.center()` is not for templates"),
        ("{{ a['format'](9) }}", 1, "can be called"),
        ("{{ lipsum() }}", 1, "can be called"),
        ("{{" + "(" * 5000 + "1" + ")" * 5000 + "}}", 1, "too deeply"),
        ("x" * 300_000, 1, "longer than"),
    ],
)
def test_a_broken_template_is_told_with_its_line(source: str, line: int, words: str) -> None:
    with pytest.raises(TemplateError) as caught:
        Template(source)
    assert caught.value.line == line
    assert words in caught.value.message


GROWING = {
    "list of lists": "{% set a = [1, 1] %}" + "{% set a = [a, a] %}" * 40 + "{{ a }}",
    "text doubled with ~": "{% set a = 'aa' %}" + "{% set a = a ~ a %}" * 40 + "{{ a }}",
    "text doubled with +": "{% set a = 'aa' %}" + "{% set a = a + a %}" * 40 + "{{ a }}",
    "text doubled by join": "{% set a = 'aa' %}" + "{% set a = [a, a] | join %}" * 40 + "{{ a }}",
    "text doubled by replace": "{% set a = 'aa' %}" + "{% set a = a | replace('a', 'aa') %}" * 40 + "{{ a }}",
    "text multiplied": "{{ 'a' * 1000000000 }}",
    "formatting": "{{ '%1000000000d' % 1 }}",
    "number squared": "{% set a = 9 %}" + "{% set a = a * a %}" * 40 + "{{ a }}",
    "nested loops": "{% for i in range(5000) %}{% for j in range(5000) %}{% endfor %}{% endfor %}",
    "long output": "{% for i in range(9000) %}" + "x" * 1000 + "{% endfor %}",
    "a huge range": "{{ range(1000000000) | list | length }}",
}


@pytest.mark.parametrize("source", GROWING.values(), ids=GROWING.keys())
def test_nothing_that_grows_without_bound_can_be_written(source: str) -> None:
    with pytest.raises(CandidateError):
        render(source)


LONG = "{% set a = 'aa' %}" + "{% set a = a ~ a %}" * 20
SLOW = {
    "a large list named again": "{% set a = [1, 1] %}" + "{% set a = [a, a] %}" * 17 + "{% set b = a %}" * 1000,
    "a long text sorted to decide": LONG + "{% if a | sort | length == 1 %}{% endif %}" * 100,
    "a long text sorted to choose": LONG + "{{ 1 if a | sort | length == 1 else 2 }}" * 100,
    "a long text sorted to be shown": LONG + "{{ (a | sort)[:0] }}" * 100,
}


@pytest.mark.parametrize("source", SLOW.values(), ids=SLOW.keys())
def test_nothing_that_takes_long_holds_up_the_process(source: str) -> None:
    with pytest.raises(CandidateError, match="a template may not take longer than 1 s"):
        render(source)


def test_ordinary_loops_sets_and_methods_work() -> None:
    source = (
        "{% set n = turns | length %}{% for t in turns %}{{ loop.index }}/{{ n }} {{ t.role.upper() }};{% endfor %}"
    )
    assert render(source, turns=[{"role": "user"}, {"role": "tool"}]) == "1/2 USER;2/2 TOOL;"
    assert render("{{ 'a,b'.split(',') | map('upper') | join('-') }}") == "A-B"
    assert render("{% for k, v in d.items() %}{{ k }}{{ v }}{% endfor %}", d={"a": 1}) == "a1"


def test_variables_are_what_must_be_there_with_the_line_of_its_first_use() -> None:
    template = Template("{{ a }}\n{% set b = c %}{{ b }}\n{{ a }}{% for d in e %}{{ d }}{{ loop.index }}{% endfor %}")
    assert template.variables == {"a": 1, "c": 2, "e": 3}


def test_a_variable_with_a_default_need_not_be_there() -> None:
    template = Template("{{ a | default('x') }}{% if b is defined %}{{ b }}{% endif %}")
    assert template.variables == {}
    assert template.render({}) == "x"


def test_attributes_asked_of_a_variable_are_known() -> None:
    template = Template("{{ row.a }}\n{{ row['b c'] }}{{ row.get('d') }}{{ verdicts.judge.passed }}")
    assert template.attributes == {("row", "a"): 1, ("row", "b c"): 2, ("verdicts", "judge"): 2}


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("n > 2 and topic == 'algebra'", True),
        ("n > 3", False),
        ("row.n == 3", True),
        ("'b' in names", True),
        ("names | length", True),
        ("missing is defined", False),
        ("verdicts.judge.score >= 0.5", True),
    ],
)
def test_an_expression_is_true_or_false(source: str, result: bool) -> None:
    scope = {"n": 3, "topic": "algebra", "row": {"n": 3}, "names": ["a", "b"], "verdicts": {"judge": {"score": 0.5}}}
    assert Expression(source)(scope) is result


@pytest.mark.parametrize("source", ["missing", "missing > 2", "verdicts.rank.score > 1", "n > 'x'"])
def test_an_expression_that_cannot_be_told_is_no_false(source: str) -> None:
    with pytest.raises(CandidateError) as caught:
        Expression(source)({"n": 1, "verdicts": {}})
    assert caught.value.reason == "where"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ n > 2 }}", "without braces"),
        ("n >", "unexpected end"),
        ("", "unexpected end"),
        ("a b", '"b" cannot stand here'),
        ("n ** 2 > 4", "`pow` is not for templates"),
        ("open('/etc/passwd')", "can be called"),
    ],
)
def test_a_broken_expression_is_told(source: str, words: str) -> None:
    with pytest.raises(TemplateError) as caught:
        Expression(source)
    assert words in caught.value.message


def test_one_template_serves_many_rows_without_remembering_any() -> None:
    template = Template("{% for x in xs %}{{ x }}{% endfor %}")
    assert [template.render({"xs": list(range(6000))}) for _ in range(3)]


@given(
    st.lists(
        st.sampled_from(["text ", "{{ a }}", "{{ b }}", "{{ a | upper }}", "{% if a %}x{% endif %}", "{{ a.b }}"])
    ),
    st.dictionaries(st.sampled_from("ab"), st.none() | st.text(max_size=3) | st.integers() | st.lists(st.integers())),
)
def test_what_surely_fits_a_row_can_be_rendered_for_it(parts: list[str], row: dict[str, Any]) -> None:
    template = Template("".join(parts))
    if template.surely_fits(row):
        template.render(row)


def test_bare_names_of_texts_surely_fit_and_whatever_is_more_is_tried() -> None:
    assert Template("Q: {{ a }}{{ b }}").surely_fits({"a": "x", "b": ""})
    assert not Template("{{ a }}").surely_fits({"b": "x"})
    assert not Template("{{ a }}{{ a }}").surely_fits({"a": "x" * 3_000_000})
    assert not Template("{{ a | trim }}").surely_fits({"a": "x"})
