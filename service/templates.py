"""The pipelines that `tamis init` writes to start from: folders beside this file."""

from __future__ import annotations

from pathlib import Path

from stages.core.errors import InputError

FOLDER = Path(__file__).parent / "templates"


def names() -> list[str]:
    return sorted(folder.name for folder in FOLDER.iterdir() if folder.is_dir())


def write_template(name: str, out: Path) -> list[Path]:
    """Copy a template's files into `out`, overwriting nothing. Raises InputError."""
    if name not in names():
        raise InputError(f"tamis init {name}: not available; write one of: {', '.join(names())}")
    files = sorted((FOLDER / name).iterdir())
    targets = [out / file.name for file in files]
    # An empty file may be there already: the shell makes one in `tamis init > pipeline.yaml`.
    if taken := [target for target in targets if target.exists() and target.stat().st_size]:
        raise InputError([f"{target}: this file is there already; name another folder with --out" for target in taken])
    out.mkdir(parents=True, exist_ok=True)
    for file, target in zip(files, targets, strict=True):
        target.write_bytes(file.read_bytes())
    return targets
