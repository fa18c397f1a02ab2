"""Uploading an export to the Hugging Face hub, only when a person asks for it. One door to huggingface_hub."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from service.exports.card import NAME, read_card, theirs, write_card
from stages.core.errors import InputError
from stages.core.extras import require_extra
from stages.io.exports.export import Written

TOKEN = "HF_TOKEN"  # noqa: S105  the name of the variable, and not what is in it


def require_hub() -> None:
    """Raise InputError where nothing could be pushed, before anything is done."""
    require_extra("huggingface_hub", "huggingface", "--push")
    if not os.environ.get(TOKEN):
        raise InputError(f"--push: {TOKEN} is not set; put a token into it that may write to the hub")


def push(repo: str, run_dir: Path, written: Mapping[Path, Written]) -> str:
    """Upload an export and its card in one commit; return where they are. A repository that is new is private.

    Raises InputError with the hub's words where it refuses; what was written here stays.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    api = HfApi(token=os.environ[TOKEN])
    with tempfile.TemporaryDirectory() as staged:
        folder = Path(staged)
        header, body = read_card(run_dir)
        staged_files = {folder / "exports" / path.name: held for path, held in written.items()}
        write_card(folder, staged_files, theirs(header), body)
        files = {NAME: folder / NAME, **{f"exports/{path.name}": path for path in _files(written)}}
        adds = [CommitOperationAdd(name, path) for name, path in files.items()]
        try:
            url = api.create_repo(repo, repo_type="dataset", private=True, exist_ok=True)
            api.create_commit(repo, adds, commit_message="An export of tamis", repo_type="dataset")
        except (HfHubHTTPError, HFValidationError, OSError) as error:
            raise InputError(f"--push {repo}: {error}") from None
    return str(url)


def _files(patterns: Iterable[Path]) -> list[Path]:
    """Return the files that these paths and patterns of shards stand for."""
    return [path for pattern in patterns for path in sorted(pattern.parent.glob(pattern.name))]
