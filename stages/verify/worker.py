"""The inside of a worker process: reads jobs, one JSON value a line, and writes one answer a line.

`workers.py` starts it as `python -P -c`: what it can import is the standard library and the installed packages, and
nothing of the folder the person stands in. It dies with its parent.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import resource
import signal
import sys
from typing import Any, TextIO

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Make the function that the first line asks for, say so, and answer jobs with it until the input ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not come between the answers
    module_name, maker, argument, memory_bytes = json.loads(sys.stdin.readline())
    if sys.platform == "linux" and memory_bytes is not None:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    work = getattr(importlib.import_module(module_name), maker)(argument)
    _answer(answers, "ready")
    for line in sys.stdin:
        _answer(answers, work(json.loads(line)))


def _answer(answers: TextIO, value: Any) -> None:
    answers.write(json.dumps(value) + "\n")
    answers.flush()
