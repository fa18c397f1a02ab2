"""The header of a dataset card, by which `datasets` reads a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from service.exports.card import write_cards
from stages.io.exports.export import Written
from stages.io.exports.shape import Shape

ROWS: list[dict[str, Any]] = [
    {"id": "a", "difficulty": None, "scores": {}, "any": 1, "turns": []},
    {"id": "b" * 200, "difficulty": "hard", "scores": {"judge": 0.5}, "any": {"x": [1]}, "turns": [{"role": "user"}]},
]


def write(folder: Path, name: str, rows: list[dict[str, Any]], **more: Any) -> dict[Path, Written]:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    shape = Shape()
    for row in rows:
        shape.see(row)
    return {path: Written(len(rows), name=path.stem, shape=shape, **more)}


def header(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((folder / "README.md").read_text("utf-8").split("---\n")[1])
    return found


def test_what_is_null_in_the_first_rows_loads_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are read in chunks, and each is taken to have the types of the first one unless the card says more."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    write_cards(tmp_path, write(tmp_path, "accepted.jsonl", ROWS), "# sums\n")
    loaded = datasets.load_dataset(str(tmp_path), cache_dir=str(tmp_path / "cache"), chunksize=32)["train"]
    assert loaded.to_list() == [ROWS[0] | {"scores": {"judge": None}}, ROWS[1]]


def test_an_export_is_added_and_what_a_person_wrote_stays(tmp_path: Path) -> None:
    write_cards(tmp_path, write(tmp_path, "accepted.jsonl", ROWS), "# sums\n")
    text = (tmp_path / "README.md").read_text("utf-8")
    (tmp_path / "README.md").write_text(text.replace("- tamis\n", "- tamis\n- mine\nlicense: mit\n"), "utf-8")
    for _ in range(2):
        write_cards(tmp_path, write(tmp_path, "exports/sft.jsonl", ROWS))
        found = header(tmp_path)
        assert [one["config_name"] for one in found["configs"]] == ["accepted", "sft"]
        assert (found["license"], found["tags"]) == ("mit", ["synthetic", "tamis", "mine"])
    write_cards(tmp_path, write(tmp_path, "accepted.jsonl", ROWS), "# again\n")
    assert [one["config_name"] for one in header(tmp_path)["configs"]] == ["accepted"]
    assert header(tmp_path)["license"] == "mit"
    assert (tmp_path / "README.md").read_text("utf-8").endswith("---\n# again\n")


def test_a_file_without_rows_is_no_data_set(tmp_path: Path) -> None:
    write_cards(tmp_path, write(tmp_path, "accepted.jsonl", []) | write(tmp_path, "rejected.jsonl", ROWS), "# none\n")
    assert "configs" not in header(tmp_path)


@pytest.mark.parametrize("old", ["# mine\n", "---\nnot: [yaml\n---\n# mine\n", "---\n- a list\n---\n"])
def test_a_card_that_is_none_of_ours_is_written_over(old: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(old, "utf-8")
    write_cards(tmp_path, write(tmp_path, "accepted.jsonl", ROWS), "# sums\n")
    assert header(tmp_path)["configs"][0]["default"] is True
