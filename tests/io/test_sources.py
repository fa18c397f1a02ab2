"""What a source gives, and what it says about rows that are wrong."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from needs import need_shared

from config.schema import CsvSource, JsonlSource
from stages.core.errors import InputError
from stages.io.lines import LINE_CAP
from stages.io.sources import SHOWN, Source, open_source


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.fixture
def jsonl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that writes seeds.jsonl in the working directory and opens it."""
    monkeypatch.chdir(tmp_path)

    def make(content: str | bytes, **keys: Any) -> Source:
        return open_source(JsonlSource(path=str(write(tmp_path / "seeds.jsonl", content)), **keys))

    return make


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that writes seeds.csv in the working directory and opens it."""
    monkeypatch.chdir(tmp_path)

    def make(content: str | bytes, **keys: Any) -> Source:
        return open_source(CsvSource(path=str(write(tmp_path / "seeds.csv", content)), **keys))

    return make


def problems(source: Source) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        source.scan()
    return caught.value.problems


def rows(source: Source) -> list[dict[str, Any]]:
    return [group.seed.row for group in source.groups()]


def test_rows_become_numbered_seeds_with_id_and_topic(jsonl: Any) -> None:
    source = jsonl('{"id":"a","subject":"sums"}\n\n{"id":7}\n', id="id", topic="subject")
    scan = source.scan()
    assert (scan.rows, scan.skipped, source.columns()) == (2, 0, ("id", "subject"))
    seeds = [group.seed for group in source.groups()]
    assert [(seed.no, seed.id, seed.topic) for seed in seeds] == [(0, "a", "sums"), (1, "7", "")]


def test_a_hash_of_the_row_is_the_id_whatever_the_order_of_keys(jsonl: Any) -> None:
    first = [group.seed.id for group in jsonl('{"q":"x","a":[1,{"b":2,"c":3}]}').groups()]
    again = [group.seed.id for group in jsonl('{"a": [1, {"c": 3, "b": 2}], "q": "x"}').groups()]
    other = [group.seed.id for group in jsonl('{"a": [1, {"c": 3, "b": 1}], "q": "x"}').groups()]
    assert first == again != other
    assert len(first[0]) == 16


def test_start_and_limit_take_a_part_and_keep_the_numbers(jsonl: Any) -> None:
    source = jsonl("".join(f'{{"id":{n}}}\n' for n in range(10)), id="id")
    assert [group.seed.no for group in source.groups(start=3, limit=4)] == [3, 4, 5, 6]


BROKEN_LINES = [
    ('{"id":1}\n{"id":\n', "seeds.jsonl:2: not JSON: unexpected end of data (column 7)"),
    ('{"id":1}\n{"id": x}\n', "seeds.jsonl:2: not JSON: unexpected character, expected a JSON value (column 8)"),
    ('{"id":1}\n[2]\n', "seeds.jsonl:2: a JSON object is expected, this is a list"),
    ('{"id":1}\n"x"\n', "seeds.jsonl:2: a JSON object is expected, this is text"),
    ('{"id":1}\n{"id":NaN}\n', "seeds.jsonl:2: not JSON: "),
    ('{"id":1}\n{"id":"\\ud800"}\n', "seeds.jsonl:2: not JSON: "),
    (b'{"id":1}\n{"id":"\xff"}\n', "seeds.jsonl:2: not UTF-8; save the file as UTF-8"),
    ('[\n{"id":1},\n{"id":2}\n]\n', "seeds.jsonl:1: this begins a JSON array; write one object on each line: "),
    ('{"id":1}\n' + "[" * 5000 + "\n", "seeds.jsonl:2: not JSON: "),
    ('{"id":1}\n{"x":2}\n', 'seeds.jsonl:2: no id: the row has no column "id"'),
    ('{"id":1}\n{"id":null}\n', 'seeds.jsonl:2: the id in column "id" is null'),
    ('{"id":1}\n{"id":true}\n', 'seeds.jsonl:2: the id in column "id" is true or false'),
    ('{"id":1}\n{"id":1.5}\n', 'seeds.jsonl:2: the id in column "id" is a number'),
    ('{"id":1}\n{"id":""}\n', 'seeds.jsonl:2: the id in column "id" is empty'),
    ('{"id":1}\n\n{"id":2}\n{"id":1}\n', 'seeds.jsonl:4: the id "1" is that of line 1 too; ids must be unique'),
    ('{"id":1}\n{"id":"1"}\n', 'seeds.jsonl:2: the id "1" is that of line 1 too'),
]


@pytest.mark.parametrize(("content", "message"), BROKEN_LINES)
def test_a_bad_row_is_told_with_its_line(jsonl: Any, content: str | bytes, message: str) -> None:
    (problem,) = problems(jsonl(content, id="id"))
    assert problem.startswith(message)


def test_one_pass_tells_all_broken_lines_and_repeated_ids(jsonl: Any) -> None:
    found = problems(jsonl('{"id":1}\n{\n{"id":1}\n}\n{"id":2}\n{"id":2}\n', id="id"))
    assert [problem.split(": ")[0] for problem in found] == [f"seeds.jsonl:{line}" for line in (2, 4, 3, 6)]


def test_of_many_broken_lines_the_first_are_told_and_the_rest_counted(jsonl: Any) -> None:
    found = problems(jsonl('{"a":1}\n' + "{\n" * 1_500))
    assert len(found) == SHOWN + 1
    assert "`on_error: skip`" in found[0]
    assert "`on_error: skip`" not in found[1]
    assert found[-1] == "seeds.jsonl: … and 1,480 more such lines"


def test_equal_rows_without_an_id_column_are_told_as_such(jsonl: Any) -> None:
    (problem,) = problems(jsonl('{"a":1,"b":2}\n{"a":2,"b":2}\n{"b":2,"a":1}\n'))
    assert problem == "seeds.jsonl:3: the same as line 1; remove it, or name a column with `id:`"


def test_on_error_skip_counts_broken_rows_and_numbers_the_good_ones(jsonl: Any) -> None:
    source = jsonl('{\n{"id":"a"}\n{"x":1}\n{"id":"b"}\n', id="id", on_error="skip")
    scan = source.scan()
    assert (scan.rows, scan.skipped) == (2, 2)
    assert [(group.seed.no, group.seed.id) for group in source.groups()] == [(0, "a"), (1, "b")]


def test_a_row_that_cannot_fill_an_outputs_prompt_is_refused_before_anything_is_paid(jsonl: Any) -> None:
    source = jsonl('{"q":"a","hint":"h"}\n{"q":"b"}\n{"q":"c"}\n', on_error="skip")
    assert source.scan(["{{ q }} {{ hint | default('') }}"]).rows == 3
    with pytest.raises(InputError) as refused:
        source.scan(["{{ q }}", "{{ q }} {{ hint }}"])
    first, second = refused.value.problems
    assert first.startswith("seeds.jsonl:2: a template of the outputs cannot be made for this row: 'hint' is ")
    assert "| default('')" in first
    assert second.startswith("seeds.jsonl:3: ")


def test_on_error_skip_still_refuses_repeated_ids(jsonl: Any) -> None:
    assert len(problems(jsonl('{"id":1}\n{"id":1}\n', id="id", on_error="skip"))) == 1


def test_a_source_of_broken_rows_only_says_why_even_where_they_are_skipped(jsonl: Any) -> None:
    assert problems(jsonl("{\n", on_error="skip"))[0].startswith("seeds.jsonl:1: not JSON")


@pytest.mark.parametrize("content", ["", "\n \n", b"\xef\xbb\xbf"])
def test_a_source_without_rows_is_refused(jsonl: Any, content: str | bytes) -> None:
    assert problems(jsonl(content)) == ("seeds.jsonl: the source has no rows",)


def test_a_csv_file_with_a_header_only_is_refused(table: Any) -> None:
    assert problems(table("id,question\n")) == ("seeds.csv: the source has no rows",)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    (missing,) = problems(open_source(JsonlSource(path=str(tmp_path / "no.jsonl"))))
    assert missing.endswith("no.jsonl: no such file (source.path is relative to the pipeline file)")
    (folder,) = problems(open_source(JsonlSource(path=str(tmp_path))))
    assert folder.endswith("cannot be read: Is a directory")


def test_a_column_that_is_not_there_is_told_once_with_the_likely_one(jsonl: Any) -> None:
    found = problems(jsonl('{"ident":1,"question":2}\n' * 50, id="idnet", topic="zzz"))
    assert found == (
        'seeds.jsonl: source.id: there is no column "idnet"; the source has: ident, question. Did you mean "ident"?',
        'seeds.jsonl: source.topic: there is no column "zzz"; the source has: ident, question',
    )


def test_a_column_of_later_rows_counts_among_the_columns(jsonl: Any) -> None:
    assert jsonl('{"a":1}\n{\n{"b":1}\n', on_error="skip").columns() == ("a", "b")


def test_a_line_longer_than_the_cap_is_told_and_the_next_one_keeps_its_number(jsonl: Any) -> None:
    source = jsonl(b'{"a":1}\n{"a":"' + b"x" * (2 * LINE_CAP) + b'"}\n{\n{"a":"' + b"x" * 1_000_000 + b'"}')
    found = problems(source)
    assert found[0].startswith("seeds.jsonl:2: the line is longer than 16 MiB")
    assert found[1].startswith("seeds.jsonl:3: not JSON")
    assert len(found) == 2


def test_the_content_hash_is_that_of_the_content_gzip_or_not(jsonl: Any, tmp_path: Path) -> None:
    content = b'{"a":1}\n\n{"a":2}\n'
    plain = jsonl(content).scan().content_hash
    packed = write(tmp_path / "seeds.jsonl.gz", gzip.compress(content))
    assert open_source(JsonlSource(path=str(packed))).scan().content_hash == plain
    assert jsonl(content.replace(b"2", b"3")).scan().content_hash != plain


def test_a_cut_gzip_file_is_refused(tmp_path: Path) -> None:
    cut = write(tmp_path / "seeds.jsonl.gz", gzip.compress(b'{"a":1}\n' * 1000)[:-9])
    assert "cannot be read" in problems(open_source(JsonlSource(path=str(cut))))[0]


def test_a_source_that_broke_after_the_scan_stops_with_the_line(jsonl: Any) -> None:
    source = jsonl('{"a":1}\n{"a":2}\n')
    source.scan()
    write(Path("seeds.jsonl"), '{"a":1}\n{"a":2\n')
    with pytest.raises(InputError, match=r"seeds.jsonl:2: not JSON"):
        list(source.groups())


texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(texts, values, max_size=4), min_size=1, max_size=6, unique_by=orjson.dumps))
def test_any_json_row_comes_through_whole(
    tmp_path_factory: pytest.TempPathFactory, written: list[dict[str, Any]]
) -> None:
    """Bidirectional marks, NUL, every plane of Unicode: a row is what it was."""
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    write(path, b"".join(orjson.dumps({"no": no} | row) + b"\n" for no, row in enumerate(written)))
    source = open_source(JsonlSource(path=str(path)))
    assert source.scan().rows == len(written)
    assert rows(source) == [{"no": no} | row for no, row in enumerate(written)]


def test_csv_keeps_quotes_newlines_and_numbers_of_lines(table: Any) -> None:
    source = table('\ufeffid,q\r\n1,"a ""b""\r\nc, d"\r\n\r\n2,é\u202e\r\n'.encode(), id="id")
    assert source.scan().rows == 2
    assert rows(source) == [{"id": "1", "q": 'a "b"\r\nc, d'}, {"id": "2", "q": "é\u202e"}]


BROKEN_TABLES = [
    ('id,q\n1,"a\nb"\n2\n', "seeds.csv:4: the header names 2 columns, the row has 1"),
    ("id,q\n1,a,b\n", "seeds.csv:2: the header names 2 columns, the row has 3"),
    ('id,q\n1,"a"b\n', "seeds.csv:2: not CSV: "),
    ('id,q\n1,a\n2,"b\n3,c\n', "seeds.csv:3: not CSV: unexpected end of data"),
    (b"id,q\n1,\xff\n", "seeds.csv:2: not UTF-8: invalid start byte (byte 3 of the line)"),
    ("id,q,q\n1,a,b\n", 'seeds.csv:1: the header names the column "q" twice'),
    ("id,q\n1,a\n1,b\n", 'seeds.csv:3: the id "1" is that of line 2 too'),
]


@pytest.mark.parametrize(("content", "message"), BROKEN_TABLES)
def test_a_bad_csv_row_is_told_with_the_line_it_begins_on(table: Any, content: str | bytes, message: str) -> None:
    (problem,) = problems(table(content, id="id"))
    assert problem.startswith(message)


def test_rows_after_a_broken_csv_row_are_read(table: Any) -> None:
    source = table(b'id,q\n1,"a"b\n2,\xff\n3,c\n', id="id", on_error="skip")
    assert source.scan().skipped == 2
    assert rows(source) == [{"id": "3", "q": "c"}]


def test_another_delimiter_and_a_long_field(table: Any) -> None:
    source = table("id;q\n1;" + "x" * 1_000_000 + "\n", id="id", delimiter=";")
    assert len(rows(source)[0]["q"]) == 1_000_000


CONVERSATION = [{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "u"}]}]


def test_messages_and_tools_are_read_from_lists_and_in_csv_from_json(jsonl: Any, table: Any) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    row = {"chat": CONVERSATION, "tools": tools}
    (group,) = jsonl(orjson.dumps(row), messages="chat", tools="tools").groups()
    assert (group.seed.messages, group.seed.tools) == (CONVERSATION, tools)
    quoted = json.dumps(CONVERSATION).replace('"', '""')
    (group,) = table(f'chat,tools\n"{quoted}",\n'.replace(",\n", ',"[]"\n'), messages="chat", tools="tools").groups()
    assert (group.seed.messages, group.seed.tools) == (CONVERSATION, [])


BAD_MESSAGES = [
    (None, 'column "chat" must be a list of objects, this is null'),
    ([], 'column "chat" holds no message'),
    ("hello", 'column "chat" is text and not a list in JSON'),
    (["hello"], 'column "chat" must be a list of objects'),
    ([{"role": "bot", "content": "x"}], "chat[0].role is 'bot'; it is one of system, developer, user, assistant, tool"),
    ([{"role": "user"}], "chat[0].content must be text"),
    ([{"role": "assistant", "content": None}], "chat[0].content must be text"),
    ([{"role": "assistant", "content": "", "tool_calls": 1}], 'column "chat[0].tool_calls" must be a list of objects'),
    (
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}],
        "chat[0].content must be text; images and audio are out of scope",
    ),
]


@pytest.mark.parametrize(("value", "message"), BAD_MESSAGES)
def test_a_conversation_that_is_none_is_refused(jsonl: Any, value: Any, message: str) -> None:
    (problem,) = problems(jsonl(orjson.dumps({"chat": value}), messages="chat"))
    assert problem.startswith(f"seeds.jsonl:1: {message}")


def test_an_assistant_turn_of_tool_calls_needs_no_content(jsonl: Any) -> None:
    turn = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
    assert jsonl(orjson.dumps({"chat": [turn]}), messages="chat").scan().rows == 1


@pytest.mark.parametrize(
    ("value", "texts"), [("one", ["one"]), (["one", "two"], ["one", "two"]), (None, []), ([], []), ("", [""])]
)
def test_a_column_of_candidates_is_a_text_or_a_list(jsonl: Any, value: Any, texts: list[str]) -> None:
    (group,) = jsonl(orjson.dumps({"outputs": value}), candidates="outputs").groups()
    assert [(c.n, c.text, c.origin) for c in group.candidates] == [(n, text, "given") for n, text in enumerate(texts)]


def test_a_candidate_may_be_an_object_whose_other_keys_become_fields(jsonl: Any) -> None:
    row = {"outputs": [{"text": "a", "reasoning": "r", "label": True}, {"content": "b", "tool_calls": [{}]}]}
    (group,) = jsonl(orjson.dumps(row), candidates="outputs").groups()
    first, second = group.candidates
    assert (first.text, first.reasoning, first.fields, first.lineage) == (
        "a",
        "r",
        {"label": True},
        {"column": "outputs"},
    )
    assert (second.text, second.tool_calls, second.fields) == ("b", [{}], {})


@pytest.mark.parametrize(
    "value",
    [3, [None], [{"label": 1}], [{"text": 3}], [{"text": "a", "reasoning": 5}], [{"text": "a", "reasoning": []}]],
)
def test_a_candidate_that_is_no_text_or_holds_none_is_a_bad_row(jsonl: Any, value: Any) -> None:
    (problem,) = problems(jsonl(orjson.dumps({"outputs": value}), candidates="outputs"))
    assert problem.startswith("seeds.jsonl:1: outputs[0]")


@pytest.mark.parametrize("calls", ["add(1)", 7, {"name": "add"}, ["add"]])
def test_tool_calls_that_are_none_are_a_bad_row(jsonl: Any, calls: Any) -> None:
    """An export of conversations looks into them, long after all was paid."""
    (problem,) = problems(jsonl(orjson.dumps({"outputs": [{"text": "a", "tool_calls": calls}]}), candidates="outputs"))
    assert problem.startswith('seeds.jsonl:1: column "outputs[0].tool_calls" ')


def test_a_template_of_candidates_sees_what_every_template_sees(jsonl: Any) -> None:
    """A column called `topic` is the row's own where the source names none."""
    source = jsonl('{"topic":"sums","seed_id":"s"}', candidates=["{{ topic }} {{ row.seed_id }}"])
    assert [one.text for group in source.groups() for one in group.candidates] == ["sums s"]


def test_templates_make_one_candidate_each_and_a_row_they_do_not_fit_is_bad(jsonl: Any) -> None:
    source = jsonl('{"m":{"a":"x"},"q":1}\n{"m":{},"q":2}\n', candidates=["{{ row.m.a }}!", "{{ q }}"], on_error="skip")
    assert source.scan().skipped == 1
    (group,) = source.groups()
    assert [(c.text, c.lineage) for c in group.candidates] == [("x!", {"template": 0}), ("1", {"template": 1})]


def test_real_solutions_of_four_models_come_as_1200_candidates() -> None:
    path = need_shared("data/gsm8k_model_solutions_300.jsonl")
    models = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
    config = JsonlSource(path=str(path), candidates=tuple(f"{{{{ row['{model}'].solution }}}}" for model in models))
    source = open_source(config)
    assert source.scan().rows == 300
    groups = list(source.groups())
    assert sum(len(group.candidates) for group in groups) == 1200
    assert groups[17].candidates[2].text == groups[17].seed.row["175b_finetuning"]["solution"]


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    with path.open("wb") as file:
        for no in range(20_000):
            file.write(orjson.dumps({"id": f"row-{no}", "text": "x" * 500}) + b"\n")
    source = open_source(JsonlSource(path=str(path), id="id"))
    tracemalloc.start()
    assert source.scan().rows == sum(1 for _ in source.groups()) == 20_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
