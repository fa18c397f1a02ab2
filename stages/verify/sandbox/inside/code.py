"""The process of the code: it runs the code once, then answers requests."""

from __future__ import annotations

import builtins
import json
import os

from stages.verify.sandbox.inside.values import decode, encode, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

_WORDS = 500


def _call(function: Any, args: Any, kwargs: Any) -> Any:
    return function(*args, **kwargs)


def _item(holder: Any, key: Any) -> Any:
    return holder[key]


OPERATIONS: dict[str, Callable[..., Any]] = {
    "call": _call,
    "get": getattr,
    "item": _item,
    "list": list,
    "len": len,
    "bool": bool,
    "str": str,
}


class Code:
    """The code's namespace, which is handle 0, and everything that it has handed out since."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._namespace: dict[str, Any] = {"__name__": "code", "__builtins__": builtins}
        self._handles: list[Any] = [self._namespace]

    def serve(self, requests: int, answers: int) -> NoReturn:
        """Load the code, answer with the names of the callables it defines, and then each request."""
        lines = os.fdopen(requests, "r", encoding="ascii")
        self._reply(answers, self._load)
        for line in lines:
            self._reply(answers, self._do, *json.loads(line))
        os._exit(0)

    def _load(self) -> list[str]:
        exec(compile(self._source, "<code>", "exec", dont_inherit=True), self._namespace)  # noqa: S102  its purpose
        return [name for name, value in self._namespace.items() if callable(value)]

    def _do(self, operation: str, target: int, *arguments: Any) -> Any:
        return OPERATIONS[operation](
            self._handles[target], *(decode(each, self._handles.__getitem__) for each in arguments)
        )

    def _reply(self, answers: int, work: Callable[..., Any], *arguments: Any) -> None:
        try:
            line = json.dumps({"value": encode(work(*arguments), self._handle)}).encode()
        except Exception as error:  # whatever the code raises is its answer
            line = json.dumps({"error": [type(error).__name__, str(error)[:_WORDS]]}).encode()
        write_all(answers, line + b"\n")

    def _handle(self, value: Any) -> tuple[int, str]:
        self._handles.append(value)
        return len(self._handles) - 1, type(value).__name__
