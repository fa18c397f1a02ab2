from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config import yamlfile
from config.load import read_pipeline
from config.problems import ConfigError

GOOD = """\
endpoints:
  main: {base_url: "http://127.0.0.1:8000/v1", model: m}
source: {type: jsonl, path: seeds.jsonl}
stages:
  - {type: generate, endpoint: main, prompts: ["{{ question }}"], candidates: 4}
  - {type: select}
"""


def problems(text: str, tmp_path: Path, sets: Sequence[str] = (), env: dict[str, str] | None = None) -> list[str]:
    """Return the problems of a file of this text, each without the folder it stands in."""
    path = tmp_path / "pipeline.yaml"
    path.write_text(text, encoding="utf-8")
    found = read_pipeline(path, env=env or {}, sets=sets).problems
    return [str(problem).replace(f"{tmp_path}/", "") for problem in found]


def test_a_good_file_is_a_pipeline_named_by_the_file(tmp_path: Path) -> None:
    path = tmp_path / "my pipeline.yaml"
    path.write_text(GOOD, encoding="utf-8")
    pipeline = read_pipeline(path, env={}).pipeline
    assert pipeline is not None
    assert pipeline.name == "my-pipeline"
    assert pipeline.source.path == str(tmp_path / "seeds.jsonl")  # type: ignore[union-attr]  # a jsonl source has a path


def test_plain_data_is_read_as_a_file_would_be() -> None:
    loaded = read_pipeline(yamlfile.read(GOOD, "")[0], env={})
    assert loaded.problems == ()
    assert loaded.pipeline is not None
    assert loaded.pipeline.stages[0].name == "generate"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "candidates: 4",
            "candiates: 4",
            '5: stages[0].candiates: unknown key "candiates"; did you mean "candidates"?',
        ),
        ("candidates: 4", "candidates: four", '5: stages[0].candidates: must be a whole number, not "four"'),
        ("candidates: 4", "candidates: 0", "5: stages[0].candidates: must be at least 1, not 0"),
        ("candidates: 4", "candidates: true", "5: stages[0].candidates: must be a whole number, not true"),
        ("candidates: 4", "action: keep", '5: stages[0].action: "keep" is not one of them; write one of: reject, mark'),
        ("endpoint: main, ", "", "5: stages[0].endpoint: missing; write for example `endpoint: main`"),
        ("endpoint: main", "endpiont: main", '5: stages[0].endpiont: unknown key "endpiont"; did you mean "endpoint"?'),
        ("select", "selct", '6: stages[1].type: there is no type "selct"; did you mean "select"?'),
        ("type: select", "top: 1", "6: stages[1].type: `type:` is missing; the types are: annotate, generate, verify,"),
        ("{type: select}", "select", '6: stages[1]: must be keys with values (`key: value`), not "select"'),
        ("model: m", "modle: m", '2: endpoints.main.modle: unknown key "modle"; did you mean "model"?'),
        (", model: m", "", "2: endpoints.main: `model:` is missing: write the model's name at its server"),
        ("8000/v1", "8000/v1/chat/completions", "2: endpoints.main: `base_url` ends before `/chat/completions`"),
        ("http://", "", '2: endpoints.main.base_url: must be a URL that starts with http:// or https://, not "127.0.'),
        (
            "source: {type: jsonl, path: seeds.jsonl}\n",
            "",
            "1: source: missing; write for example `source: {type:",
        ),
        ('["{{ question }}"]', "[{file: x.jinja}]", '5: stages[0].prompts[0]: there is no file "x.jinja" in '),
        (
            '["{{ question }}"]',
            "[{file: 7}]",
            "5: stages[0].prompts[0]: write {file: PATH} with the file's path as a text",
        ),
        ('["{{ question }}"]', "[{file: .}]", '5: stages[0].prompts[0]: cannot read "."'),
        (
            "type: select",
            "type: verify, check: json_schema, schema: 5",
            "6: stages[1].schema: write the JSON schema its",
        ),
        (
            "type: select",
            "type: verify, check: json_schema, schema: {file: pipeline.yaml}",
            '6: stages[1].schema: "pipeline.yaml" is not JSON: ',
        ),
        (
            "stages:",
            "outputs: [{format: sft, columns: 5}]\nstages:",
            "4: outputs[0].columns: write a list of the source",
        ),
        ("path: seeds.jsonl", 'path: ""', "3: source.path: must not be empty"),
        ("type: select", "type: score, features: {steps: x}", "6: stages[1].features.steps: must be keys with values"),
        ("model: m", "model: m, embedded: smollm2", "2: endpoints.main: an endpoint is either `embedded` or has"),
        ('["{{ question }}"]', "[7]", "5: stages[0].prompts[0]: write a text in quotes, or {file: x.jinja}"),
    ],
)
def test_a_mistake_is_one_line_with_its_number_and_what_to_write(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    assert old in GOOD
    found = problems(GOOD.replace(old, new), tmp_path)
    assert len(found) == 1, found
    assert found[0].startswith(f"pipeline.yaml:{message}")


def test_all_mistakes_are_found_at_once_even_behind_others(tmp_path: Path) -> None:
    """The unknown keys stand in stages whose type is misspelt; the model is found missing beside a wrong limit."""
    text = GOOD.replace("type: generate", "type: genrate").replace("candidates", "candiates")
    text = text.replace("model: m", "limits: {max_concurrency: none}, nothing: 1").replace("select}", "selekt, to: 1}")
    assert [line.split(": ")[:2] for line in sorted(problems(text, tmp_path))] == [
        ["pipeline.yaml:2", "endpoints.main.limits.max_concurrency"],
        ["pipeline.yaml:2", "endpoints.main.nothing"],
        ["pipeline.yaml:5", "stages[0].candiates"],
        ["pipeline.yaml:5", "stages[0].type"],
        ["pipeline.yaml:6", "stages[1].to"],
        ["pipeline.yaml:6", "stages[1].type"],
    ]


def test_the_line_of_a_template_file_is_a_line_of_that_file(tmp_path: Path) -> None:
    (tmp_path / "x.jinja").write_text("one\ntwo", encoding="utf-8")
    path = tmp_path / "pipeline.yaml"
    path.write_text(GOOD.replace('"{{ question }}"', "{file: x.jinja}"), encoding="utf-8")
    places = read_pipeline(path, env={}).places
    assert str(places.problem(("stages", 0, "prompts", 0), "m", inside=2)) == "x.jinja:2: stages[0].prompts[0]: m"


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n", "word\n"])
def test_what_is_no_pipeline_at_all_says_how_to_start(text: str, tmp_path: Path) -> None:
    assert problems(text, tmp_path) == [
        "pipeline.yaml:1: this is not a pipeline; `tamis init arithmetic` writes one to start from"
    ]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere.yaml: there is no such file"):
        read_pipeline(tmp_path / "nowhere.yaml", env={})


def test_a_file_in_another_encoding_is_told(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_bytes(b"seed: 7\nname: caf\xe9\n")
    with pytest.raises(ConfigError, match=r"p.yaml:2: this is not UTF-8; save the file as UTF-8"):
        read_pipeline(tmp_path / "p.yaml", env={})


def test_a_folder_in_a_files_place_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory$"):
        read_pipeline(tmp_path, env={})


def test_tabs_are_told_with_what_to_write_instead(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("endpoints:\n\tmain: {}\n")
    with pytest.raises(ConfigError, match=r"p.yaml:2: this is not YAML: .*; indent with spaces, never with tabs"):
        read_pipeline(tmp_path / "p.yaml", env={})


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats()
    | st.sampled_from(["", "main", "judge", "{{ x }}", "sk-1"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "file", "x", "endpoint"]), inner)
    ),
    max_leaves=4,
)


def places_of(data: Any, loc: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [*([loc] if loc else []), *(inner for key, value in items for inner in places_of(value, (*loc, key)))]


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_whatever_is_written_somewhere_it_is_read_or_told_where(data: st.DataObject) -> None:
    """Any values at any places of the catalogue of keys give a pipeline or problems, never an exception."""
    whole = copy.deepcopy(WHOLE)
    for _ in range(data.draw(st.integers(1, 3))):
        loc = data.draw(st.sampled_from(places_of(whole)))
        holder = whole
        for key in loc[:-1]:
            holder = holder[key]
        if isinstance(holder, dict) and data.draw(st.booleans()):
            del holder[loc[-1]]
        else:
            holder[loc[-1]] = data.draw(ANYTHING)
    loaded = read_pipeline(whole, env={})
    assert loaded.pipeline is not None or loaded.problems
    for problem in loaded.problems:
        assert "\n" not in str(problem)
        assert problem.message


WHOLE = yamlfile.read(Path(__file__).with_name("catalogue.yaml").read_text(encoding="utf-8"), "")[0]


def test_mistakes_inside_of_what_is_taken_out_for_another_one_are_told_too() -> None:
    whole = copy.deepcopy(WHOLE)
    whole["outputs"][1] |= {"max_samples": [None, None, None], "split": {"by": "root", "validation": None}}
    said = [str(problem) for problem in read_pipeline(whole, env={}).problems]
    assert any("outputs[1].max_samples" in line for line in said)
    assert any("outputs[1].split.validation" in line for line in said)
