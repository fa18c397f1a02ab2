"""Sources whose rows are columns: Parquet files, and what `datasets` loads."""

from __future__ import annotations

import datetime
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from config.sources import HuggingfaceSource, ParquetSource
from stages.core.errors import InputError
from stages.io.columnar import BATCH
from stages.io.sources import Source, open_source


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def parquet(columns: dict[str, Any], path: str = "seeds.parquet", **keys: Any) -> Source:
    Path(path).parent.mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return open_source(ParquetSource(path=str(Path(path).resolve()), **keys))


def rows(source: Source) -> list[dict[str, Any]]:
    return [group.seed.row for group in source.groups()]


def problems(source: Source) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        source.scan()
    return caught.value.problems


def test_a_parquet_file_gives_rows_as_json_could_have_held_them() -> None:
    day = datetime.date(2026, 2, 3)
    source = parquet(
        {"id": ["a", "b"], "n": [1, None], "day": [day, day], "price": [Decimal("1.50")] * 2, "x": [0.5, float("nan")]}
        | {"turns": [[{"role": "user", "content": "Hi"}]] * 2},
        id="id",
        messages="turns",
    )
    scan = source.scan()
    assert (scan.rows, source.columns()) == (2, ("id", "n", "day", "price", "x", "turns"))
    first, second = source.groups()
    assert first.seed.row["day"] == "2026-02-03"
    assert first.seed.row["price"] == "1.50"
    assert second.seed.row["x"] is None
    assert first.seed.messages == [{"role": "user", "content": "Hi"}]


def test_a_folder_of_parquet_files_is_read_in_the_order_of_paths_over_many_batches() -> None:
    many = list(range(BATCH * 2 + 5))
    parquet({"id": [f"b{n}" for n in many]}, "folder/b.parquet")
    parquet({"id": ["a"]}, "folder/a.parquet")
    source = open_source(ParquetSource(path=str(Path("folder").resolve()), id="id"))
    assert source.scan().rows == len(many) + 1
    assert [row["id"] for row in rows(source)] == ["a", *(f"b{n}" for n in many)]


def test_broken_rows_and_repeated_ids_are_told_by_file_and_row() -> None:
    parquet({"id": ["x", "y"]}, "folder/a.parquet")
    parquet({"id": ["z", None, "x", "z"]}, "folder/b.parquet")
    source = open_source(ParquetSource(path=str(Path("folder").resolve()), id="id"))
    missing, far, near = problems(source)
    assert missing.startswith('folder/b.parquet: row 2: the id in column "id" is null; ')
    assert far.startswith('folder/b.parquet: row 3: the id "x" is that of folder/a.parquet: row 1 too')
    assert near == 'folder/b.parquet: row 4: the id "z" is that of row 1 too'


def test_bytes_and_texts_that_are_no_utf8_are_broken_rows_which_can_be_skipped() -> None:
    texts = pa.array(["good", "bad", "also good"]).buffers()
    raw = pa.py_buffer(texts[2].to_pybytes().replace(b"bad", b"b\xffd"))
    broken = pa.StringArray.from_buffers(3, texts[1], raw)
    (problem,) = problems(parquet({"t": broken}))
    assert problem.startswith("seeds.parquet: row 2: not UTF-8: ")
    (image,) = problems(parquet({"t": ["x"], "image": [b"\x89PNG"]}))
    assert image.startswith('seeds.parquet: row 1: column "image" holds bytes; ')
    source = parquet({"t": broken}, on_error="skip")
    assert (source.scan().skipped, [row["t"] for row in rows(source)]) == (1, ["good", "also good"])


def test_the_content_hash_follows_the_values_and_not_how_they_are_stored() -> None:
    first = parquet({"a": ["x", "y"]}).scan().content_hash
    pq.write_table(pa.table({"a": ["x", "y"]}), "other.parquet", row_group_size=1, compression="none")
    assert open_source(ParquetSource(path=str(Path("other.parquet").resolve()))).scan().content_hash == first
    assert parquet({"a": ["x", "z"]}).scan().content_hash != first


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no.parquet", "no.parquet: no such file or folder (source.path is relative to the pipeline file)"),
        ("empty", "empty: no file in this folder matches **/*.parquet"),
        ("text.parquet", "text.parquet: cannot be read as Parquet: "),
    ],
)
def test_what_is_no_parquet_is_refused_in_words(path: str, message: str) -> None:
    Path("empty").mkdir()
    Path("text.parquet").write_text("id\n1\n")
    (problem,) = problems(open_source(ParquetSource(path=str(Path(path).resolve()))))
    assert problem.startswith(message)


@pytest.mark.parametrize(
    ("package", "config", "extra"),
    [
        ("pyarrow", ParquetSource(path="x.parquet"), "parquet"),
        ("datasets", HuggingfaceSource(path="some/name"), "huggingface"),
    ],
)
def test_a_missing_extra_is_told_in_one_line_with_what_to_type(
    monkeypatch: pytest.MonkeyPatch, package: str, config: Any, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError) as caught:
        open_source(config)
    assert str(caught.value).endswith(f"needs {package}, which is not installed. Type: pip install 'tamis[{extra}]'")


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that `load_dataset` reads, two splits of JSON lines; its cache is in the test's folder."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    folder = tmp_path / "data"
    folder.mkdir()
    for split, numbers in {"train": range(2500), "test": range(3)}.items():
        lines = (orjson.dumps({"id": f"{split}{n}", "q": f"{n}?"}) for n in numbers)
        (folder / f"{split}.jsonl").write_bytes(b"\n".join(lines))
    return folder


def test_a_local_folder_is_loaded_by_its_splits_and_rows_keep_their_numbers(dataset: Path) -> None:
    source = open_source(HuggingfaceSource(path=str(dataset), id="id"))
    assert source.near
    assert (source.scan().rows, source.columns()) == (2500, ("id", "q"))
    assert [row["id"] for row in rows(source)] == [f"train{n}" for n in range(2500)]
    test = open_source(HuggingfaceSource(path=str(dataset), split="test"))
    assert rows(test)[2] == {"id": "test2", "q": "2?"}
    (problem,) = problems(open_source(HuggingfaceSource(path=str(dataset), split="valid")))
    assert problem.startswith('data: Unknown split "valid"')


def test_a_dataset_that_was_saved_to_disk_is_read_too(dataset: Path) -> None:
    import datasets

    datasets.load_dataset(str(dataset)).save_to_disk("saved")
    datasets.load_dataset(str(dataset), split="test").save_to_disk("one")
    for path, split, count in (("saved", "test", 3), ("saved", "train", 2500), ("one", "train", 3)):
        assert open_source(HuggingfaceSource(path=str(Path(path).resolve()), split=split)).scan().rows == count


def test_a_path_is_a_folder_where_there_is_one_and_a_name_of_the_hub_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "owner/name").mkdir(parents=True)
    context = {"base_dir": tmp_path}

    def path(written: str) -> str:
        return HuggingfaceSource.model_validate({"type": "huggingface", "path": written}, context=context).path

    assert path("owner/name") == str(tmp_path / "owner/name")
    assert path("./nowhere") == str(tmp_path / "nowhere")
    assert path("openai/gsm8k") == "openai/gsm8k"
    assert not open_source(HuggingfaceSource(path="openai/gsm8k")).near
    (problem,) = problems(open_source(HuggingfaceSource(path=path("./nowhere"))))
    assert problem.startswith("nowhere: no such folder")
