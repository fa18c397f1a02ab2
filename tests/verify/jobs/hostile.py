"""A maker for worker processes that misbehave on request: on the path of the workers in test_workers.py only."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def make(argument: Any) -> Callable[[Any], Any]:
    if argument == "broken":
        raise RuntimeError("the library is missing a part")
    return lambda job: act(*job) if isinstance(job, list) else job


def act(what: str, value: Any = None) -> Any:
    match what:
        case "sleep":
            time.sleep(3600)
        case "deaf":
            signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
            time.sleep(3600)
        case "die":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "print":
            sys.stdout.write("a library talks\n")
            sys.stdout.flush()
        case "environment":
            return sorted(os.environ)
        case "imports":
            return [name for name in value if name in sys.modules]
        case "pid":
            return os.getpid()
        case "folder":
            return str(Path.cwd())
        case "long":
            return "x" * value
        case "memory":
            return len(bytearray(value))
    return what
