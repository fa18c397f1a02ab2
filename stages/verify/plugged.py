"""The inside of a worker process that runs a person's own function: loads it, calls it, says what it did wrong.

What the function returns is anything that JSON can say; what that means is for whoever asked.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import orjson

ENTRY_POINTS = "tamis.verify"


def make(named: str) -> Callable[[list[Any]], dict[str, Any]]:
    """Load `/path/file.py:function`, or else the entry point of that name; return what calls it with a job's values."""
    try:
        function = _load(named)
    except Exception as error:  # a stranger's code: whatever it raises, its words are what helps
        raise SystemExit(_words(error)) from None

    def call(arguments: list[Any]) -> dict[str, Any]:
        try:
            value = function(*arguments)
        except Exception as error:  # as above
            return {"error": _words(error)}
        try:
            orjson.loads(json.dumps(value, allow_nan=False, ensure_ascii=False))  # as it will be read
        except (TypeError, ValueError, RecursionError) as error:
            return {"error": f"the function returned {value!r:.80}: {error}"}
        return {"value": value}

    return call


def _load(named: str) -> Callable[..., Any]:
    file, _, name = named.rpartition(":")
    if not file.endswith(".py"):
        (point,) = entry_points(group=ENTRY_POINTS, name=named)
        loaded: Callable[..., Any] = point.load()
        return loaded
    spec = spec_from_file_location(f"plugin_{Path(file).stem}", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} cannot be imported")
    module = sys.modules[spec.name] = module_from_spec(spec)
    sys.path.append(str(Path(file).parent))  # it may import what stands beside it
    spec.loader.exec_module(module)
    function: Callable[..., Any] = getattr(module, name)
    return function


def _words(error: Exception) -> str:
    """Return an exception's words and the last line of the person's own file that it came through."""
    _, *inner = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in inner if not frame.filename.startswith("<frozen") and frame.filename != __file__]
    lines = [frame.lineno for frame in theirs if frame.filename == theirs[0].filename]
    where = f" ({Path(theirs[0].filename).name}, line {lines[-1]})" if theirs else ""
    return f"{type(error).__name__}: {error}{where}"
