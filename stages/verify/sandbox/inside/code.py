"""The process of the code: it does with the code's objects what the tests ask for, one request a line."""

from __future__ import annotations

import builtins
import json
import os

from stages.verify.sandbox.inside.values import decode, encode, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_WORDS = 500


def _run(namespace: dict[str, Any], source: str) -> list[str]:
    """Run the code; return the names of the callables that it defines."""
    exec(compile(source, "<code>", "exec", dont_inherit=True), namespace)  # noqa: S102  its purpose
    return [name for name, value in namespace.items() if callable(value)]


OPERATIONS: dict[str, Callable[..., Any]] = {
    "run": _run,
    "call": lambda function, args, kwargs: function(*args, **kwargs),
    "item": lambda holder, key: holder[key],
    "get": getattr,
    "list": list,
    "len": len,
    "bool": bool,
    "str": str,
}


def serve(requests: int, answers: int) -> None:
    """Answer requests about the code's namespace, which is handle 0, and about all that was handed out since."""
    handles: list[Any] = [{"__name__": "code", "__builtins__": builtins}]

    def handle(value: Any) -> tuple[int, str]:
        handles.append(value)
        return len(handles) - 1, type(value).__name__

    for line in os.fdopen(requests, "r", encoding="ascii"):
        try:
            operation, *arguments = decode(json.loads(line), handles.__getitem__)
            answer = json.dumps({"value": encode(OPERATIONS[operation](*arguments), handle)})
        except Exception as error:  # whatever the code raises is its answer
            answer = json.dumps({"error": [type(error).__name__, str(error)[:_WORDS]]})
        write_all(answers, answer.encode() + b"\n")
