"""The process of the tests: it runs them against the code behind a connection, and finds the verdict."""

from __future__ import annotations

import builtins
import json
import os

from stages.verify.sandbox.inside.values import decode, encode, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType
    from typing import Any

_WORDS = 500
_SIGKILL = 9


class Gone(BaseException):
    """The code's process ended. Not an Exception, so that a test's own `except` does not take it for an answer."""


class Unsupported(BaseException):
    """The tests want what cannot be done across two processes."""


class Connection:
    """Sends requests to the process of the code and reads its answers, which may be anything at all."""

    def __init__(self, requests: int, answers: int, child: int) -> None:
        self._requests, self._child = requests, child
        self._answers = os.fdopen(answers, "rb")
        self.calls = 0
        self.compared = ""
        """The type of the last handle that a test compared: equal to nothing, which may be why the test failed."""

    def ask(self, *request: Any) -> Any:
        self.calls += 1
        write_all(self._requests, json.dumps(request).encode() + b"\n")
        return self.read()

    def read(self) -> Any:
        line = self._answers.readline()
        if not line.endswith(b"\n"):
            raise Gone
        reply = json.loads(line)
        if "error" in reply:
            raise error_of(*map(str, reply["error"]))
        return decode(reply["value"], lambda index, kind: Remote(self, index, kind))

    def ending(self) -> tuple[str, str]:
        """Return reason and words for how the code's process ended."""
        status = os.waitstatus_to_exitcode(os.waitpid(self._child, 0)[1])
        if status >= 0:
            return "exited", f"the code ended its process with exit code {status}"
        if -status == _SIGKILL:  # what the kernel sends at the limit
            return "timeout", "the code used up its processor time"
        return "crashed", f"the code's process died of signal {-status}"


class Remote:
    """Something of the code's that is no plain data: it can be called and looked into, and equals only itself."""

    def __init__(self, connection: Connection, index: int, kind: str) -> None:
        self.__dict__.update(_connection=connection, _index=index, _kind=kind)

    def _ask(self, operation: str, *arguments: Any) -> Any:
        own = self.__dict__
        return own["_connection"].ask(operation, own["_index"], *(encode(each, _handle) for each in arguments))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask("call", list(args), kwargs)

    def __getattr__(self, name: str) -> Any:
        return self._ask("get", name)

    def __getitem__(self, key: Any) -> Any:
        return self._ask("item", key)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._ask("list"))

    def __len__(self) -> int:
        return int(self._ask("len"))

    def __bool__(self) -> bool:
        return bool(self._ask("bool"))

    def __str__(self) -> str:
        return str(self._ask("str"))

    def __eq__(self, other: object) -> bool:
        self.__dict__["_connection"].compared = self.__dict__["_kind"]
        return self is other

    __hash__ = object.__hash__


def _handle(value: Any) -> list[Any]:
    if isinstance(value, Remote):
        return [value.__dict__["_index"]]
    raise Unsupported(f"the tests pass a {type(value).__name__}, which cannot be given to another process")


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


def run_tests(connection: Connection, tests: str) -> dict[str, Any]:
    """Run the tests against the code; return the verdict: `passed`, `reason`, `detail`."""
    try:
        program = compile(tests, "<tests>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        return verdict(None, "bad_reference", f"the tests are not Python: {error}")
    try:
        defined = set(connection.read())
        wanted = names_in(program) - set(dir(builtins))
        code = Remote(connection, 0, "module")
        namespace: dict[str, Any] = {"__name__": "tests", **{name: code[name] for name in sorted(wanted & defined)}}
        connection.calls = 0
        exec(program, namespace)  # noqa: S102  its purpose
    except BaseException as error:  # told apart there; a verdict there must be
        return failure(error, connection)
    if connection.calls == 0:
        return verdict(None, "bad_reference", "the tests never call the code; is `entry_point` missing?")
    return verdict(True)


def failure(error: BaseException, connection: Connection) -> dict[str, Any]:
    """Return the verdict for what came out of the tests."""
    if isinstance(error, (Gone, BrokenPipeError)):
        return verdict(False, *connection.ending())
    if isinstance(error, Unsupported):
        return verdict(None, "unsupported", str(error))
    if isinstance(error, MemoryError):
        return verdict(False, "memory", "the code needs more memory than it may have")
    raised_by_code = "".join(getattr(error, "__notes__", ()))
    if isinstance(error, AssertionError) and not raised_by_code:
        compared = f"; the code gave a {connection.compared}, which equals nothing" if connection.compared else ""
        return verdict(False, "wrong_answer", f"a test failed: {place_of(error)}{compared}")
    return verdict(False, "error", raised_by_code or f"{type(error).__name__}: {error}")


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


def verdict(passed: bool | None, reason: str = "", detail: str = "") -> dict[str, Any]:
    return {"passed": passed, "reason": reason, "detail": detail[:_WORDS]}
