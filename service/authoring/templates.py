"""The pipelines that `tamis init` writes to start from: the examples, which a wheel has inside this package."""

from __future__ import annotations

from pathlib import Path

from stages.core.errors import InputError

_HERE = Path(__file__).parents[1]
FOLDER = next(folder for folder in (_HERE / "examples", _HERE.parent / "examples") if folder.is_dir())


def names() -> list[str]:
    return sorted(folder.name for folder in FOLDER.iterdir() if (folder / "pipeline.yaml").is_file())


def write_template(name: str, out: Path) -> list[Path]:
    """Copy a template's files into `out`, overwriting nothing. Raises InputError."""
    if name not in names():
        raise InputError(f"tamis init {name}: not available; write one of: {', '.join(names())}")
    # An example's README tells of the example; a folder of one's own has, or gets, another.
    folder = FOLDER / name
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != "README.md")
    targets = [out / file.relative_to(folder) for file in files]
    # An empty file may be there already: the shell makes one in `tamis init > pipeline.yaml`.
    if taken := [target for target in targets if target.exists() and target.stat().st_size]:
        raise InputError([f"{target}: this file is there already; name another folder with --out" for target in taken])
    for file, target in zip(files, targets, strict=True):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    return targets
