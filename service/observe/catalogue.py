"""What Prometheus can be told: the name of every figure, what it means, its labels, its buckets, and where it starts.

Plain data and no library: `metrics.py` fills it, `docs/metrics.md` is printed from it. Labels are bounded: stage names,
endpoint aliases, outcomes, reasons; never a text, an id or the name of a job.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, get_args

from config.schema import Dedupe, Generate, Judge, Pipeline
from queues.gate import Kind
from stages.core.events import CallOutcome
from stages.core.steering import Step

CALL_BUCKETS_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600)
SHORT_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

REPLY_BUCKETS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536)

TOKEN_KINDS = ("prompt", "completion", "reasoning", "cached")
RETRY_CAUSES = ("rate_limited", "server_error", "connection", "timeout", "invalid", "key")
LIMIT_KINDS: tuple[Kind, ...] = get_args(Kind)
LACKS = ("concurrency", "cool-down", "tokens", "pace")
BUDGETS = ("calls", "tokens", "usd")
CANDIDATE_OUTCOMES = ("generated", "derived", "given", "passed", "rejected", "failed", "marked")
SEED_OUTCOMES = ("solved", "unsolved", "failed", "expanded", "parked", "waiting")
REASONS = {
    "generate": ("truncated", "empty"),
    "math": ("wrong_answer", "no_answer"),
    "numeric": ("wrong_answer", "no_answer"),
    "exact": ("wrong_answer", "no_answer"),
    "regex": ("no_match",),
    "json_schema": ("schema", "invalid_json"),
    "python": ("wrong_answer", "error", "timeout", "memory", "exited", "crashed"),
    "grounded": ("ungrounded",),
    "plugin": ("not_passed",),
    "cross_check": ("disagrees", "no_answer"),
    "judge": ("eliminated", "low_score"),
    "vote": ("outvoted", "no_agreement", "no_answer"),
    "select": ("not_selected", "disagreed"),
    "dedupe": ("duplicate",),
    "decontaminate": ("contaminated",),
    "transform": (
        *("too_long", "too_short", "numbers_lost", "names_lost", "other_language", "no_answer", "answer_lost"),
        *("answer_changed", "not_equivalent", "ungrounded", "schema", "invalid_json"),
    ),
    "difficulty": ("over_quota",),
    "score": ("below_gate",),
}
"""Why a stage of this type (or a verify stage with this check) rejects; what a plugin says appears when it is given."""

CALL = ("endpoint", "stage")
COUNTERS = {
    "calls": ("Attempts that left for an endpoint, by how they ended", *CALL, "outcome"),
    "rate_limited": ("Attempts that the endpoint refused for now", "endpoint"),
    "retries": ("Attempts made again, by what went wrong", "endpoint", "cause"),
    "tokens": ("Tokens; reasoning ones are part of completion, cached ones part of prompt", "endpoint", "kind"),
    "cost_usd": ("US dollars, of the calls whose price is known", *CALL),
    "unpriced_calls": ("Served calls whose price is not known", *CALL),
    "truncated": ("Replies that ended at max_tokens", *CALL),
    "backoff_seconds": ("Seconds that calls were put off before they were made again", "endpoint"),
    "candidates": ("Candidates made, and verdicts on them", "stage", "outcome"),
    "rejections": ("Candidates rejected, by reason", "stage", "reason"),
    "failures": ("Candidates failed: nobody could make or judge them, by reason", "stage", "reason"),
    "accepted": ("Candidates accepted, of the seeds that have ended",),
    "seeds": ("Seeds by how they left; who is parked or waits leaves once more", "outcome"),
    "collapse_alarms": ("Alarms that outputs begin to repeat themselves", "stage"),
    "collapse_steps": ("Steps against repetition", "stage", "step", "outcome"),
}
GAUGES = {
    "calls_in_flight": ("Calls on the wire", "endpoint"),
    "calls_waiting": ("Calls at the gate, by what the first of them lacks", "endpoint", "lacks"),
    "in_batches": ("Requests in batches at the provider", "endpoint"),
    "groups_in_flight": ("Seeds under way, with their candidates",),
    "queue_depth": ("Groups that wait before a stage", "stage"),
    "queue_capacity": ("Groups that may wait before a stage", "stage"),
    "queue_oldest_seconds": ("Age of the oldest that waits", "stage"),
    "breaker_open": ("Servers left alone for a while, having failed again and again", "endpoint"),
    "concurrency_limit": ("Calls that may be on the wire now", "endpoint"),
    "limit_per_minute": ("Requests or tokens that may go in a minute, where there is such a limit", "endpoint", "kind"),
    "budget_left_ratio": ("Share of a budget that is left, where there is one; of several jobs the least", "budget"),
    "duplicate_ratio": ("Share of a window's outputs that were there before", "stage"),
    "distinct_2gram_ratio": ("Different word 2-grams by all of a window", "stage"),
    "distinct_4gram_ratio": ("Different word 4-grams by all of a window", "stage"),
    "self_repetition_ratio": ("Share of an output's 4-grams that another one of its window has", "stage"),
    "compression_ratio": ("Bytes by compressed bytes of a window's outputs", "stage"),
    "opening_ratio": ("Share of a window's outputs that begin with its most frequent three words", "stage"),
    "output_words": ("Words per output in a window", "stage"),
    "jobs": ("Jobs of the service; a run of the command line is one that runs", "state"),
    "job_started_timestamp_seconds": ("When a job last began, or a run",),
    "job_ended_timestamp_seconds": ("When a job last ended or paused, or a run",),
    "build_info": ("Always 1; the labels tell what runs", "version", "python"),
}
"""The names of what is counted or read, with what to say of each and its labels."""


OF_ENDPOINT = ("calls_in_flight", "in_batches", "rate_limited", "backoff_seconds", "breaker_open")


class Buckets(NamedTuple):
    """A histogram: what to say of it, the upper bounds of its buckets, its labels."""

    text: str
    bounds: tuple[float, ...]
    labels: tuple[str, ...] = ()


HISTOGRAMS = {
    "call_wait_seconds": Buckets(
        "Time at the gate, before the wire: the limiter's part of a call", CALL_BUCKETS_S, CALL
    ),
    "call_duration_seconds": Buckets("Time on the wire: the server's part of a call", CALL_BUCKETS_S, CALL),
    "call_commit_seconds": Buckets("Time from a reply to its being durable: our part of a call", SHORT_BUCKETS_S, CALL),
    "completion_tokens": Buckets("Length of a reply in tokens, reasoning among them", REPLY_BUCKETS, CALL),
    "ledger_commit_seconds": Buckets("Time of one commit of the ledger, with its fsync", SHORT_BUCKETS_S),
    "event_loop_lag_seconds": Buckets("How late the event loop woke", SHORT_BUCKETS_S),
}


def label_values() -> dict[str, tuple[str, ...]]:
    """Return the values that a label can have, where they do not follow from the pipeline."""
    return {
        "outcome of calls": get_args(CallOutcome),
        "outcome of candidates": CANDIDATE_OUTCOMES,
        "outcome of seeds": SEED_OUTCOMES,
        "cause": RETRY_CAUSES,
        "kind of tokens": TOKEN_KINDS,
        "kind of limit_per_minute": LIMIT_KINDS,
        "lacks": LACKS,
        "budget": BUDGETS,
        "step": get_args(Step),
    }


def calls_of(pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    """Yield every endpoint with a name that calls to it are counted under."""
    for stage in pipeline.stages:
        for _, endpoint in stage.aliases():
            yield endpoint, f"{stage.name}.embed" if isinstance(stage, Dedupe) else stage.name
            if isinstance(stage, Judge) and stage.audit is not None:
                yield endpoint, f"{stage.name}.audit"


def series(pipeline: Pipeline) -> Iterator[tuple[str, ...]]:
    """Yield every series that the pipeline can have; a reason that `REASONS` lacks comes when it is given."""
    for call in calls_of(pipeline):
        yield from (("calls", *call, outcome) for outcome in get_args(CallOutcome))
        yield from ((name, *call) for name in ("cost_usd", "unpriced_calls", "truncated"))
        yield from ((name, call[0]) for name in OF_ENDPOINT)
        yield from (("retries", call[0], cause) for cause in RETRY_CAUSES)
        yield from (("tokens", call[0], kind) for kind in TOKEN_KINDS)
    for stage in pipeline.stages:
        yield from (("candidates", stage.name, outcome) for outcome in CANDIDATE_OUTCOMES)
        yield "failures", stage.name, "unreadable"
        reasons = REASONS.get(getattr(stage, "check", stage.type), ())
        yield from (("rejections", stage.name, reason) for reason in reasons)
        if isinstance(stage, Generate):
            yield "collapse_alarms", stage.name
            for step in get_args(Step):
                yield from (("collapse_steps", stage.name, step, outcome) for outcome in ("taken", "undone"))
    yield from (("seeds", outcome) for outcome in SEED_OUTCOMES)
    yield from ((name,) for name in ("accepted", "groups_in_flight"))
