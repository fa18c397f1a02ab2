"""The dataset cards of a run: `README.md`, by whose header `datasets.load_dataset(folder)` finds the files.

`datasets` reads one kind of file per folder. So the run's card has its JSON Lines, and where there is Parquet, a card
in `exports` has that. The header is YAML as the hub reads it; what a person adds to it, such as `license`, is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from config.schema import Pipeline
from service.human import dollars
from stages.io.atomic import replacing
from stages.io.exports.export import Written
from stages.io.exports.shape import Type

NAME = "README.md"
DEFAULT = "accepted"
OURS = ("size_categories", "configs", "dataset_info")
"""The keys of the header that are made anew; any other is a person's."""
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_MARK = "---\n"


def write_cards(run_dir: Path, written: Mapping[Path, Written], body: str | None = None) -> None:
    """Write the cards of what a run wrote; without a body, add these files to the cards that there are."""
    of_kind = {".jsonl": run_dir, ".parquet": run_dir / "exports"}
    for suffix, folder in of_kind.items():
        files = {path: held for path, held in written.items() if path.suffix == suffix and _is_data(path, held)}
        if files or (folder == run_dir and body is not None):
            header = read_card(folder)[0]
            if body is not None:
                header = theirs(header)
            write_card(folder, files, header, read_card(run_dir)[1] if body is None else body)


def theirs(header: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a person added to a header."""
    return {key: value for key, value in header.items() if key not in OURS}


def write_card(folder: Path, files: Mapping[Path, Written], header: Mapping[str, Any], body: str) -> None:
    """Write a card of `files`, besides the other ones that the header has, and with what else is in it."""
    configs, infos = _named(header.get("configs", ())), _named(header.get("dataset_info", ()))
    for name in {held.name for held in files.values()}:
        configs.pop(name, None)
        infos.pop(name, None)
    for path, held in files.items():
        first: dict[str, Any] = {"config_name": held.name, "data_files": []}
        if held.name == DEFAULT:
            first["default"] = True
        place = path.relative_to(folder).as_posix()
        configs.setdefault(held.name, first)["data_files"].append({"split": held.part, "path": place})
        if path.suffix == ".jsonl":  # Parquet has its types in itself
            infos[held.name] = {"config_name": held.name, "features": features(held.shape.columns)}
    size = header.get("size_categories", [_size(max((held.rows for held in files.values()), default=0))])
    made = zip(OURS, (size, list(configs.values()), list(infos.values())), strict=True)
    full = {"tags": ["synthetic", "tamis"], **header, **{key: value for key, value in made if value}}
    text = yaml.safe_dump(full, sort_keys=False, allow_unicode=True, width=120)
    with replacing(folder / NAME) as file:
        file.write(f"{_MARK}{text}{_MARK}{body}".encode())


def read_card(folder: Path) -> tuple[dict[str, Any], str]:
    """Return header and body of a folder's card, empty where there is none; a header that is no YAML is nobody's."""
    path = folder / NAME
    text = path.read_text("utf-8") if path.exists() else ""
    if text.startswith(_MARK) and (end := text.find(f"\n{_MARK}")) > 0:
        try:
            header = yaml.safe_load(text[len(_MARK) : end])
        except yaml.YAMLError:
            header = None
        if isinstance(header, dict):
            return header, text[end + 1 + len(_MARK) :]
    return {}, text


def _named(entries: Iterable[Any]) -> dict[str, Any]:
    return {entry["config_name"]: entry for entry in entries if isinstance(entry, dict) and "config_name" in entry}


def _is_data(path: Path, held: Written) -> bool:
    """Return whether a file is one to train on: it has rows, and is no record of what fell."""
    return held.rows > 0 and (path.parent.name == "exports" or path.stem == DEFAULT)


def features(columns: Mapping[str, Type]) -> list[dict[str, Any]]:
    """Return the columns' types as a card has them; without them the first rows' types would be taken for all."""
    return [{"name": name, **_feature(kind)} for name, kind in columns.items()]


def _feature(kind: Type) -> dict[str, Any]:
    if isinstance(kind, dict):
        return {"struct": features(kind)}
    if not isinstance(kind, list):
        return {"dtype": kind}
    (item,) = kind
    inner = item if isinstance(item, str) else features(item) if isinstance(item, dict) else _feature(item)
    return {"list": inner}


def _size(rows: int) -> str:
    return next((name for limit, name in _SIZES if rows < limit), "n>1M")


def body(pipeline: Pipeline, manifest: Mapping[str, Any], audit: Sequence[Mapping[str, Any]]) -> str:
    """Return what a reader must know of the data: what was asked, of whom, what fell, and who looked at it."""
    counts = manifest["counts"]
    parts = (
        [
            f"# {pipeline.name}",
            "",
            "Synthetic data, made by tamis. Before you publish it, add a `license` to the header.",
        ],
        _section("What was asked", _asked(pipeline)),
        _section("Models", _models(pipeline)),
        _section("Counts", _counts(counts, manifest)),
        _section("Stages", (f"`{stage.name}` ({stage.type}, {stage.action})" for stage in pipeline.stages)),
        _section("Rejected, by reason", (f"{reason}: {n:,}" for reason, n in counts["candidates"]["rejected"].items())),
        _section("Audit", (f"`{one['stage']}`: {one['trust']}" for one in audit), "No stage is a judge: unaudited."),
        _section("Fingerprint", _fingerprint(manifest["fingerprint"])),
    )
    return "\n".join(chain(*parts)) + "\n"


def _section(title: str, lines: Iterable[str], otherwise: str = "None.") -> Iterator[str]:
    yield from ("", f"## {title}", "")
    listed = [f"- {line}" for line in lines]
    yield from listed or [otherwise]


def _asked(pipeline: Pipeline) -> Iterator[str]:
    for stage in pipeline.stages:
        for prompt in stage.prompts if stage.type == "generate" else ():
            told = "\n".join(f"  {line}" for line in prompt.splitlines())
            yield f"`{stage.name}`:\n\n  ```\n{told}\n  ```"


def _models(pipeline: Pipeline) -> Iterator[str]:
    for alias, endpoint in pipeline.used.items():
        yield f"`{alias}`: {endpoint.model or endpoint.embedded}"


def _counts(counts: Mapping[str, Any], manifest: Mapping[str, Any]) -> Iterator[str]:
    of, seeds = counts["candidates"], counts["seeds"]
    yield f"run: {manifest['state']}"
    yield ", ".join(f"{seeds[state]:,} {state}" for state in ("read", "solved", "unsolved", "failed")) + " seeds"
    made = of["generated"] + of["derived"] + of["given"]
    yield f"{made:,} candidates, {of['accepted']:,} accepted, {of['failed']:,} failed"
    if manifest["cost_usd"] is not None:
        yield f"cost: {dollars(manifest['cost_usd'])}"


def _fingerprint(named: Mapping[str, Any]) -> Iterator[str]:
    for name, value in named.items():
        yield f"{name}: `{value}`"
