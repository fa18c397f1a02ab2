"""The process of the tests: it runs them against the code behind a connection, and finds the verdict."""

from __future__ import annotations

import builtins
import json
import os

from stages.verify.sandbox.inside.values import decode, encode, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType
    from typing import Any

_WORDS = 500
_SIGKILL = 9


class Ended(BaseException):
    """The tests end here with a verdict: passed, reason, detail. No Exception, for a test's own `except` to catch."""


class Connection:
    """Sends requests to the process of the code and reads its answers, which may be anything at all."""

    def __init__(self, requests: int, answers: int, child: int) -> None:
        self._requests, self._answers, self._child = requests, os.fdopen(answers, "rb"), child
        self.calls = 0
        self.compared = ""
        """The type of the last handle that a test compared: equal to nothing, which may be why the test failed."""

    def ask(self, *request: Any) -> Any:
        self.calls += 1
        try:
            write_all(self._requests, json.dumps(encode(list(request), _handle)).encode() + b"\n")
            line = self._answers.readline()
        except BrokenPipeError:
            line = b""
        if not line.endswith(b"\n"):
            raise Ended(False, *self._ending())
        reply = json.loads(line)
        if "error" in reply:
            raise error_of(*map(str, reply["error"]))
        return decode(reply["value"], lambda index, kind: Remote(self, index, kind))

    def _ending(self) -> tuple[str, str]:
        """Return reason and words for how the code's process ended."""
        status = os.waitstatus_to_exitcode(os.waitpid(self._child, 0)[1])
        if status >= 0:
            return "exited", f"the code ended its process with exit code {status}"
        if -status == _SIGKILL:  # what the kernel sends at the limit
            return "timeout", "the code used up its processor time"
        return "crashed", f"the code's process died of signal {-status}"


def _asks(operation: str) -> Callable[..., Any]:
    return lambda self, *arguments: self._tamis[0].ask(operation, self, *arguments)


class Remote:
    """Something of the code's that is no plain data: it can be called and looked into, and equals only itself."""

    def __init__(self, connection: Connection, index: int, kind: str) -> None:
        self._tamis = connection, index, kind

    __getattr__, __getitem__, __len__, __bool__, __str__ = map(_asks, ("get", "item", "len", "bool", "str"))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._tamis[0].ask("call", self, args, kwargs)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._tamis[0].ask("list", self))

    def __eq__(self, other: object) -> bool:
        self._tamis[0].compared = self._tamis[2]
        return self is other

    __hash__ = object.__hash__


def _handle(value: Any) -> list[int]:
    if isinstance(value, Remote):
        return [value._tamis[1]]
    raise Ended(None, "unsupported", f"the tests pass a {type(value).__name__}, which no other process can be given")


def error_of(name: str, words: str) -> Exception:
    """Return the code's exception as one that a test can expect: a builtin one under its own name, with a note."""
    kind = getattr(builtins, name, None)
    ends_loops = kind in (StopIteration, StopAsyncIteration)  # ... and so a test's `all(map(...))`, before its time
    if ends_loops or not (isinstance(kind, type) and issubclass(kind, Exception)):
        kind = RuntimeError
    try:
        error = kind(words)
    except TypeError:  # UnicodeDecodeError and its like want more than words
        error = RuntimeError(words)
    error.add_note(f"{name}: {words}")
    return error


def run_tests(connection: Connection, code: str, tests: str) -> dict[str, Any]:
    """Run the tests against the code; return the verdict: `passed`, `reason`, `detail`."""
    passed, reason, detail = True, "", ""
    try:
        _examine(connection, code, tests)
    except Ended as ended:
        passed, reason, detail = ended.args
    except BaseException as error:  # told apart there; a verdict there must be
        passed, (reason, detail) = False, failure(error, connection.compared)
    return {"passed": passed, "reason": reason, "detail": detail[:_WORDS]}


def _examine(connection: Connection, code: str, tests: str) -> None:
    try:
        program = compile(tests, "<tests>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise Ended(None, "bad_reference", f"the tests are not Python: {error}") from None
    module = Remote(connection, 0, "module")
    defined = set(connection.ask("run", module, code))
    wanted = names_in(program) - set(dir(builtins))
    namespace = {"__name__": "tests", **{name: module[name] for name in sorted(wanted & defined)}}
    connection.calls = 0
    exec(program, namespace)  # noqa: S102  its purpose
    if connection.calls == 0:
        raise Ended(None, "bad_reference", "the tests never call the code; is `entry_point` missing?")


def failure(error: BaseException, compared: str) -> tuple[str, str]:
    """Return reason and words for what came out of the tests."""
    if isinstance(error, MemoryError):
        return "memory", "the code needs more memory than it may have"
    raised_by_code = "".join(getattr(error, "__notes__", ()))
    if isinstance(error, AssertionError) and not raised_by_code:
        also = f"; the code gave a {compared}, which equals nothing" if compared else ""
        return "wrong_answer", f"a test failed: {place_of(error)}{also}"
    return "error", raised_by_code or f"{type(error).__name__}: {error}"


def place_of(error: BaseException) -> str:
    """Return where in the tests an assertion failed, and its message."""
    trace, line = error.__traceback__, 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<tests>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"line {line}" + (f", {error}" if str(error) else "")


def names_in(program: CodeType) -> set[str]:
    """Return the names that compiled tests use; those of attributes are among them and do no harm."""
    inner = [constant for constant in program.co_consts if isinstance(constant, type(program))]
    return set(program.co_names).union(*map(names_in, inner))
