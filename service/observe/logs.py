"""Log lines: the one door to structlog. One event per line, JSON for machines or aligned text for people.

Invariants: no key leaves in a line, whatever field or text it hides in; prompts, replies and rows are withheld, since
they are the person's data; and a run logs what people must know, not every call: what repeats is counted first.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, MutableMapping
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import FilteringBoundLogger, Processor, WrappedLogger

from stages.core.events import CallRetried, Collapsing, Event, GroupSettled, ServerChanged, VerdictGiven

Format = Literal["console", "json"]
Log = FilteringBoundLogger

TELL_EVERY_S = 10.0

Notable = tuple[str, *tuple[tuple[str, str], ...]]
"""What happened, and its labels as pairs of name and value."""

_SECRET = re.compile(r"(?i)^(?:[\w-]*[-_])?(?:api[-_]?key|key|token|secret|password|authorization|cookie)$")
_IN_TEXT = re.compile(
    r"\b(?:(?:sk-|gsk_|hf_|xai-|nvapi-)[\w-]{8,}|AIza[\w-]{20,})"
    r"|(?i:\bbearer\s+[\w.~+/=-]{8,})"
    r"|(?<=//)[^/@\s]+:[^/@\s]+(?=@)"
    r"|(?i:(?<=[?&]key=)|(?<=api-key=)|(?<=api_key=)|(?<=[?&]token=))[^&\s\"']+"
)
_WITHHELD = frozenset({"prompt", "prompts", "messages", "text", "content", "body", "row", "reply", "response"})


def configure(style: Format, stream: TextIO | None = None) -> FilteringBoundLogger:
    """Send log lines, ours and the libraries' warnings, to `stream` (standard error) and return the logger."""
    ours: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    formatter = structlog.stdlib.ProcessorFormatter
    json = style == "json"
    renderer = structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=False)
    last: list[Processor] = [formatter.remove_processors_meta, redact, renderer]
    handler = _Handler(stream)
    handler.setFormatter(formatter(foreign_pre_chain=[*ours, structlog.stdlib.ExtraAdder()], processors=last))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("tamis").setLevel(logging.INFO)
    structlog.configure(
        processors=[*ours, formatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=False,
    )
    logger: FilteringBoundLogger = structlog.get_logger("tamis")
    return logger


def redact(_: WrappedLogger, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take out keys and withhold the person's data: a structlog processor."""
    return {name: _clean(name, value) for name, value in event.items()}


def _clean(name: str, value: Any) -> Any:
    if _SECRET.match(name) and value:
        return "[redacted]"
    if name in _WITHHELD:
        return "[withheld]"
    if isinstance(value, str):
        return _IN_TEXT.sub("[redacted]", value)
    if isinstance(value, dict):
        return {key: _clean(str(key), inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean("", inner) for inner in value]
    return value


class _Handler(logging.StreamHandler[TextIO]):
    """Writes to standard error as it is at the moment: a live display puts itself in between."""

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__(stream)
        self._given = stream

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = self._given or sys.stderr
        super().emit(record)


class LogObserver:
    """Logs from events what people must know: retries, failed verdicts and failed seeds, counted over ten seconds.

    `close` logs what is left.
    """

    def __init__(self, log: FilteringBoundLogger, clock: Callable[[], float] = time.monotonic) -> None:
        self._log, self._clock = log, clock
        self._counts: Counter[Notable] = Counter()
        self._since = clock()

    def __call__(self, event: Event) -> None:
        if notable := _notable(event):
            if not self._counts:
                self._since = self._clock()
            self._counts[notable] += 1
        if self._counts and self._clock() - self._since >= TELL_EVERY_S:
            self.close()

    def close(self) -> None:
        """Log what was counted and begin anew."""
        seconds = round(self._clock() - self._since, 1)
        counts, self._counts = self._counts, Counter()
        for (what, *labels), count in counts.items():
            self._log.warning(what, **dict(labels), count=count, seconds=seconds)


def _notable(event: Event) -> Notable | None:
    match event:
        case CallRetried():
            labels = (("endpoint", event.endpoint), ("stage", event.stage), ("cause", event.cause))
            return ("calls are made again", *labels)
        case ServerChanged():
            said = "a server fails and is left alone" if event.down else "a server is back"
            return said, ("endpoint", event.endpoint), ("server", event.server)
        case VerdictGiven(outcome="failed"):
            return "candidates failed", ("stage", event.stage), ("reason", event.reason)
        case GroupSettled(outcome="failed"):
            return ("seeds failed",)
        case Collapsing(what="alarm" | "undone"):
            said = "outputs repeat themselves" if event.what == "alarm" else "a step against repetition was undone"
            return said, ("stage", event.stage), ("step", event.step)
        case _:
            return None
