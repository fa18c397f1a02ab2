from __future__ import annotations

from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.judge.constitution import load_constitution

GOOD = """
principles:
  - id: shows-steps
    text: The answer shows its steps.
    weight: 2
    applies_if: the question asks for a calculation
    examples: ["'12.' alone breaks it."]
    critique: ["Which step is missing?"]
    eliminate: [No step is shown., The steps are for another question.]
    compare: Which shows its steps better?
    revise: [Add the missing steps.]
    axis: [clarity]
  - id: no-padding
    text: It says nothing twice.
"""


def read(folder: Path, text: str) -> list[str]:
    """Return the problems of a constitution, without the folder's name."""
    path = folder / "constitution.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_constitution(path)
    return [problem.replace(f"{folder}/", "") for problem in caught.value.problems]


def test_a_constitution_is_read_as_it_is_written(tmp_path: Path):
    path = tmp_path / "c.yaml"
    path.write_text(GOOD, encoding="utf-8")
    first, second = load_constitution(path).principles
    assert (first.id, first.weight, first.axis) == ("shows-steps", 2, ("clarity",))
    assert first.eliminations == ("No step is shown.", "The steps are for another question.")
    assert first.compare == ("Which shows its steps better?",)
    assert (second.weight, second.applies_if, second.critique) == (1, "", ())


def test_a_principle_without_elimination_criteria_eliminates_what_breaks_it(tmp_path: Path):
    path = tmp_path / "c.yaml"
    path.write_text(GOOD, encoding="utf-8")
    _, principle = load_constitution(path).principles
    assert principle.eliminations == ('The response breaks this principle: "It says nothing twice."',)


def test_every_mistake_is_told_with_its_line(tmp_path: Path):
    text = """principles:
  - id: a b
    text: one
  - text: two
    wieght: 3
  - id: c
    text: [not, a, text]
    weight: -1
  - id: d
    text: ""
    eliminate: [{a: 1}]
rules: []
"""
    assert read(tmp_path, text) == [
        'constitution.yaml:2: principles[0].id: must be made of letters, digits, `_`, `-` and `.`, not "a b"',
        "constitution.yaml:4: principles[1].id: missing",
        'constitution.yaml:5: principles[1].wieght: unknown key "wieght"; did you mean "weight"?',
        "constitution.yaml:7: principles[2].text: must be a text in quotes, not a list",
        "constitution.yaml:8: principles[2].weight: must be more than 0, not -1",
        "constitution.yaml:10: principles[3].text: must not be empty",
        "constitution.yaml:11: principles[3].eliminate[0]: must be a text in quotes, not keys with values",
        'constitution.yaml:12: rules: unknown key "rules"; the keys here are: principles',
    ]


@pytest.mark.parametrize("text", ["", "- id: a\n  text: b\n", "just words"])
def test_without_the_key_principles_the_shape_is_told(tmp_path: Path, text: str):
    assert read(tmp_path, text) == ["constitution.yaml:1: write a list of principles under the key `principles:`"]


def test_ids_are_unique_and_there_is_at_least_one_principle(tmp_path: Path):
    twice = "principles:\n  - {id: a, text: x}\n  - {id: a, text: y}\n"
    assert read(tmp_path, twice) == ['constitution.yaml:3: principles[1].id: the id "a" is taken; ids are unique']
    assert read(tmp_path, "principles: []") == ["constitution.yaml:1: principles: must not be empty"]


def test_what_is_no_yaml_or_no_file_is_told(tmp_path: Path):
    assert read(tmp_path, "principles: [")[0].startswith("constitution.yaml:1: this is not YAML")
    with pytest.raises(InputError, match="there is no such file"):
        load_constitution(tmp_path / "nowhere.yaml")
    with pytest.raises(InputError, match="cannot be read"):
        load_constitution(tmp_path)
