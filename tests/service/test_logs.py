from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from watched_run import events

from service.observe.logs import LogObserver, configure, redact
from stages.core.events import CallFinished, CallRetried, Collapsing, GroupSettled, ServerChanged, VerdictGiven


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("tamis")
    before = (root.handlers, root.level, ours.level)
    yield
    root.handlers, root.level, ours.level = before
    structlog.reset_defaults()


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_json_lines_have_time_level_and_fields(out: io.StringIO) -> None:
    configure("json", stream=out).info("run begins", seeds=40, run="runs/x")
    (line,) = lines(out)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "run begins", "level": "info", "seeds": 40, "run": "runs/x"}


def test_console_lines_are_for_people(out: io.StringIO) -> None:
    configure("console", stream=out).warning("calls are made again", count=3)
    assert "calls are made again" in out.getvalue()
    assert "count=3" in out.getvalue()
    assert "{" not in out.getvalue()


def test_small_talk_is_not_logged(out: io.StringIO) -> None:
    log = configure("json", out)
    log.debug("small talk")
    log.info("news")
    assert [line["event"] for line in lines(out)] == ["news"]


def test_what_libraries_log_looks_the_same_and_only_their_warnings_come(out: io.StringIO) -> None:
    configure("json", out)
    logging.getLogger("some.package").info("request sent")
    logging.getLogger("some.package").warning("refused: %s", "Bearer abcdefgh12345678")
    (line,) = lines(out)
    assert (line["event"], line["level"]) == ("refused: [redacted]", "warning")


def test_without_a_stream_lines_go_where_standard_error_goes_at_that_moment(capsys: pytest.CaptureFixture[str]) -> None:
    log = configure("json")
    log.info("seen")
    assert "seen" in capsys.readouterr().err


@pytest.mark.parametrize(
    "fields",
    [
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"api_key": "0123456789"},
        {"x-api-key": "0123456789"},
        {"headers": {"Authorization": "secret words"}},
        {"endpoints": [{"OPENAI_API_KEY": "abc"}]},
        {"error": "Incorrect API key provided: sk-abcdefgh12345678"},
        {"error": "header was 'Authorization: Bearer abcdefgh12345678'"},
        {"url": "https://user:hunter22@host/v1"},
        {"url": "https://host/v1?api-version=1&key=hunter22"},
        {"event": "tried with hf_abcdefgh12345678"},
    ],
)
def test_no_key_leaves_in_a_line(out: io.StringIO, fields: dict[str, Any]) -> None:
    configure("json", stream=out).info(fields.pop("event", "said"), **fields)
    text = out.getvalue()
    assert "[redacted]" in text
    for secret in ("dXNlcjpwYXNz", "0123456789", "secret words", '"abc"', "abcdefgh12345678", "hunter22"):
        assert secret not in text


def test_a_key_in_a_traceback_is_taken_out_too(out: io.StringIO) -> None:
    log = configure("json", stream=out)
    try:
        int("sk-abcdefgh12345678")
    except ValueError:
        log.exception("call failed")
        logging.getLogger("some.package").exception("call failed")
    last = [line["exception"].splitlines()[-1] for line in lines(out)]
    assert last == ["ValueError: invalid literal for int() with base 10: '[redacted]'"] * 2


def test_what_only_sounds_like_a_key_stays() -> None:
    fields = {"tokens": 120, "max_tokens": 64, "keys": 2, "cause": "basic arithmetic", "risk-averse": True}
    assert redact(None, "info", dict(fields)) == fields


def test_the_person_s_data_is_withheld() -> None:
    fields = {"messages": [{"content": "private"}], "detail": {"prompt": "private", "endpoint": "main"}}
    assert redact(None, "info", fields) == {
        "messages": "[withheld]",
        "detail": {"prompt": "[withheld]", "endpoint": "main"},
    }


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_server_that_goes_and_comes_back_is_named(out: io.StringIO) -> None:
    observer = LogObserver(configure("json", stream=out))
    observer(ServerChanged("main", "10.0.0.7:8000", down=True, now_down=1))
    observer(ServerChanged("main", "10.0.0.7:8000", down=False, now_down=0))
    observer.close()
    told = [(line["event"], line["endpoint"], line["server"]) for line in lines(out)]
    assert told == [
        ("a server fails and is left alone", "main", "10.0.0.7:8000"),
        ("a server is back", "main", "10.0.0.7:8000"),
    ]


def test_retries_are_counted_and_told_every_ten_seconds(out: io.StringIO) -> None:
    clock = Seconds()
    observer = LogObserver(configure("json", stream=out), clock)
    for cause in ("timeout", "rate_limited", "rate_limited"):
        observer(CallRetried("main", "judge", cause, 0.5))
    clock.now = 9.9
    observer(CallFinished("main", "judge", "ok", 0.0, 0.5))
    assert not lines(out)
    clock.now = 10
    observer(CallFinished("main", "judge", "ok", 0.0, 0.5))
    told = [(line["event"], line["cause"], line["count"], line["seconds"]) for line in lines(out)]
    assert told == [
        ("calls are made again", "timeout", 1, 10.0),
        ("calls are made again", "rate_limited", 2, 10.0),
    ]
    clock.now = 30
    observer(CallRetried("main", "judge", "timeout", 0.5))
    assert len(lines(out)) == 2, "ten seconds begin with the first that is counted"


def test_failures_are_told_by_stage_and_reason(out: io.StringIO) -> None:
    observer = LogObserver(configure("json", stream=out))
    observer(VerdictGiven("judge", "failed", "unreadable"))
    observer(VerdictGiven("judge", "rejected", "eliminated"))
    observer(GroupSettled("failed", 0, 4))
    observer.close()
    first, second = lines(out)
    assert (first["event"], first["stage"], first["reason"], first["level"]) == (
        "candidates failed",
        "judge",
        "unreadable",
        "warning",
    )
    assert (second["event"], second["count"]) == ("seeds failed", 1)


def test_a_quiet_run_logs_nothing(out: io.StringIO) -> None:
    observer = LogObserver(configure("json", stream=out))
    for event in events():
        if not isinstance(event, CallRetried | Collapsing) and getattr(event, "outcome", "") != "failed":
            observer(event)
    observer.close()
    assert not out.getvalue()
