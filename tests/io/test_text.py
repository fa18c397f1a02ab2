"""Documents as rows: where they are cut, what each chunk is called, and what is told of files that are no texts."""

from __future__ import annotations

from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.sources import Chunk, TextSource
from stages.core.errors import InputError
from stages.io import chunks
from stages.io.sources import Source, open_source

GUIDE = """\
---
layout: page
---
Read me first.

# Guide #

```sh
# no heading
```

Install
it
-------
Type `make`.

- a list
---
### Deep
Down here.

## Empty
"""


@pytest.fixture
def documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what writes files into `docs` in the working directory and opens it."""
    monkeypatch.chdir(tmp_path)

    def make(files: dict[str, str | bytes], **keys: Any) -> Source:
        for name, content in files.items():
            path = tmp_path / "docs" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return open_source(TextSource(path=str(tmp_path / "docs"), **keys))

    return make


def rows(source: Source) -> list[dict[str, Any]]:
    return [group.seed.row for group in source.groups()]


def problems(source: Source) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        source.scan()
    return caught.value.problems


def test_a_document_is_a_row_with_its_path_as_id_and_its_heading_as_title(documents: Any) -> None:
    source = documents({"b.txt": "Just text.\r\nTwo lines.", "a/z.txt": "\ufeff# Zed\nText", "c.md": "no"})
    assert source.scan().rows == 2
    assert [group.seed.id for group in source.groups()] == ["a/z.txt", "b.txt"]
    assert rows(source) == [
        {"id": "a/z.txt", "text": "# Zed\nText", "path": "a/z.txt", "title": "Zed", "heading": "", "chunk": 1},
        {"id": "b.txt", "text": "Just text.\nTwo lines.", "path": "b.txt", "title": "b", "heading": "", "chunk": 1},
    ]


def test_one_file_is_a_source_too(documents: Any, tmp_path: Path) -> None:
    documents({"a/z.txt": "Text"})
    assert rows(open_source(TextSource(path=str(tmp_path / "docs/a/z.txt"))))[0]["id"] == "z.txt"


def test_headings_cut_but_not_in_code_lists_or_front_matter(documents: Any) -> None:
    source = documents({"guide.md": GUIDE}, glob="*.md", chunk=Chunk(by="heading"))
    found = [(row["id"], row["heading"], row["text"].splitlines()[0]) for row in rows(source)]
    assert found == [
        ("guide.md#1", "", "---"),
        ("guide.md#2", "Guide", "# Guide #"),
        ("guide.md#3", "Guide > Install it", "Install"),
        ("guide.md#4", "Guide > Install it > Deep", "### Deep"),
    ]
    assert {row["title"] for row in rows(source)} == {"Guide"}
    assert "# no heading" in rows(source)[1]["text"]


def test_an_empty_heading_and_a_hash_without_space_are_what_commonmark_says() -> None:
    assert [
        heading.text for heading in chunks.headings("#5 bolt\n#\n####### seven\n    # code\n~~~\n# x\n```\n~~~\n# y")
    ] == [
        "",
        "y",
    ]


def test_a_long_section_is_cut_by_tokens_at_sentences_and_begins_with_the_end_of_the_one_before(documents: Any) -> None:
    sentences = [f"Sentence number {n} is here." for n in range(40)]
    source = documents({"a.txt": "# Top\n" + " ".join(sentences)}, chunk=Chunk(tokens=40, overlap=10, by="heading"))
    texts = [row["text"] for row in rows(source)]
    assert len(texts) > 5
    assert all(len(text) <= 160 and text.endswith(".") for text in texts)
    for before, after in pairwise(texts):
        assert after.split(".")[0] + "." in before, "one whole sentence stands in both"
    assert {row["heading"] for row in rows(source)} == {"Top"}


def test_a_paragraphs_end_is_better_than_a_later_sentences() -> None:
    text = "One two three. Four five six.\n\nSeven. Eight nine ten eleven twelve."
    (start, end), *_ = chunks.cut(text, 0, len(text), 45, 0)
    assert text[start:end] == "One two three. Four five six.\n\n"


def test_a_chunk_moves_on_where_the_overlap_reaches_behind_its_beginning() -> None:
    text = "aa " + "a" * 34 + " " + "b" * 100
    pieces = chunks.cut(text, 0, len(text), 60, 50)
    starts = [start for start, _ in islice(pieces, len(text))]
    assert starts == sorted(set(starts))


@given(st.text(alphabet="ab .\n#-`。é", max_size=400), st.integers(1, 60), st.data())
def test_chunks_are_small_enough_overlap_no_more_than_asked_and_lose_no_letter(text: str, size: int, data: Any) -> None:
    overlap = data.draw(st.integers(0, size - 1))
    pieces = list(chunks.cut(text, 0, len(text), size, overlap))
    assert (pieces[0][0], pieces[-1][1]) == (0, len(text))
    for (start, end), (following, _) in pairwise(pieces):
        assert start < following <= end
        assert end - following <= overlap
    assert all(end - start <= size for start, end in pieces)
    kept = "".join(text[part.start : part.end] for part in chunks.sections(text))
    headings = "".join(text[one.start : one.end] for one in chunks.headings(text))
    for letter in "ab。é":
        assert text.count(letter) <= kept.count(letter) + headings.count(letter)


BROKEN = {
    "bytes.txt": (b"one\ntwo\n\xff\n", "docs/bytes.txt:3: not UTF-8: invalid start byte"),
    "binary.txt": (b"one\n\x00\x01", "docs/binary.txt:2: not a text but binary: there is a zero byte"),
    "empty.txt": (b" \n\n", "docs/empty.txt:1: the document is empty"),
    "large.txt": (b"x" * (16 * 2**20 + 1), "docs/large.txt:1: the document is longer than 16 MiB; split it"),
    "na\udcffme.txt": (b"x", "docs/na\ufffdme.txt:1: the file's name is not UTF-8; rename it"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_no_text_is_told_with_its_line_or_skipped(documents: Any, name: str) -> None:
    content, message = BROKEN[name]
    (problem,) = problems(documents({name: content, "good.txt": "Good."}))
    assert problem.startswith(message)
    source = documents({}, on_error="skip")
    scan = source.scan()
    assert (scan.rows, scan.skipped) == (1, 1)
    assert [group.seed.no for group in source.groups()] == [0]


def test_a_folder_in_which_nothing_matches_is_refused_with_the_pattern(documents: Any) -> None:
    (problem,) = problems(documents({"a.md": "x"}))
    assert problem == "docs: no file in this folder matches **/*.txt"


def test_the_content_hash_changes_with_a_text_and_with_a_name(documents: Any, tmp_path: Path) -> None:
    first = documents({"a.txt": "x"}).scan().content_hash
    assert documents({"a.txt": "y"}).scan().content_hash != first
    (tmp_path / "docs/a.txt").rename(tmp_path / "docs/b.txt")
    assert documents({"b.txt": "x"}).scan().content_hash != first


def test_a_chunk_that_could_not_move_on_is_refused() -> None:
    with pytest.raises(ValueError, match="must be smaller than"):
        Chunk(tokens=10, overlap=10)
