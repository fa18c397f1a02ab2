from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config import yamlfile
from config.problems import ConfigError

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
DATA = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=12)
LAUGHS = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in itertools.pairwise("abcdefgh")
)


def read(text: str) -> Any:
    return yamlfile.read(text, "f.yaml")[0]


def messages(text: str) -> list[str]:
    return [str(problem) for problem in yamlfile.read(text, "f.yaml")[2]]


@settings(deadline=None)
@given(st.dictionaries(TEXT, DATA, max_size=4))
def test_what_is_written_is_read_back_unchanged(data: dict[str, Any]) -> None:
    assert read(yamlfile.write(data)) == data


@settings(deadline=None)
@given(SCALARS)
def test_a_value_is_written_in_one_line(value: object) -> None:
    assert "\n" not in yamlfile.write_short(value)
    assert read(f"x: [{yamlfile.write_short(value)}]") == {"x": [value]}


def test_words_that_yaml_1_1_takes_for_something_else_stay_words() -> None:
    words = {"on": "yes", "no": "off", "at": "12:30", "day": "2024-01-02"}
    assert read("on: yes\nno: off\nat: 12:30\nday: 2024-01-02\n") == words


def test_numbers_are_read_as_people_write_them() -> None:
    assert read("[1e-3, 010, 0x1F, -2.5, .5, 1.]") == [0.001, 10, 31, -2.5, 0.5, 1.0]


def test_places_are_the_lines_of_keys_and_items() -> None:
    places = yamlfile.read("a:\n  - x\n  - b: 1\n    c: |\n      text\n", "f.yaml")[1]
    assert {loc: places.lines[loc] for loc in [("a",), ("a", 0), ("a", 1), ("a", 1, "c")]} == {
        ("a",): 1,
        ("a", 0): 2,
        ("a", 1): 3,
        ("a", 1, "c"): 4,
    }
    assert str(places.problem(("a", 1, "c"), "m", inside=1)) == "f.yaml:5: a[1].c: m"
    assert str(places.problem(("a", 1, "gone"), "m")) == "f.yaml:3: a[1].gone: m"


def test_a_repeated_key_is_refused_with_both_lines() -> None:
    assert messages("a: 1\nb: 2\na: 3\n") == ["f.yaml:3: a: this key stands here twice, first in line 1; remove one"]


def test_a_template_without_quotes_is_recognised() -> None:
    assert messages("a: 1\nprompt: {{ question }}\n") == [
        'f.yaml:2: prompt: this looks like a template; put it in quotes: "{{ question }}"'
    ]


@pytest.mark.parametrize(
    ("text", "line"), [("a: [1\nb: 2\n", 2), ("a: 1\n\tb: 2\n", 2), ("a: 'x\n", 2), ("a: \x00", 1)]
)
def test_what_is_not_yaml_is_told_in_one_line_with_its_number(text: str, line: int) -> None:
    with pytest.raises(ConfigError, match=rf"^f\.yaml:{line}: this is not YAML: .+$") as caught:
        read(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["a: &a [*a]", "a: &a {x: *a}", LAUGHS], ids=["list", "mapping", "a billion laughs"])
def test_aliases_that_never_end_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="refers to itself"):
        read(text)


def test_a_foreign_tag_is_refused() -> None:
    assert messages("a: !!python/name:os.system x") == [
        "f.yaml:1: a: the tag tag:yaml.org,2002:python/name:os.system is not for this file"
    ]
