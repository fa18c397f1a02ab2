"""A run or a job from the inside: its stages, queues, diversity, and the process that does the work."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard
from panels import RARE, Colours, bars, figure, lines, ours, page
from queries import mean, most, now, of, or_zero, per_second, quantile, quantiles, share, so_far

STAGE = 'stage=~"$stage"'
SEEN = 'outcome=~"passed|rejected|failed|marked"'
PASSED, FAILED = 'outcome="passed"', 'outcome="failed"'
UNREADABLE = 'reason="unreadable"'
OK = 'outcome="ok"'
CANDIDATES = "candidates_total"

PROGRESS = [
    figure(
        "Seeds under way",
        "Seeds between admission and their end. Flat is right; what grows is not drained.",
        "short",
        or_zero(now("groups_in_flight")),
    ),
    figure(
        "Seeds done",
        "Seeds that have ended, over the range shown.",
        "short",
        so_far("seeds_total", "", 'outcome=~"solved|unsolved|failed|expanded"'),
    ),
    figure(
        "Accepted",
        "Candidates accepted, over the range shown.",
        "short",
        so_far("accepted_total"),
    ),
    figure(
        "Budget left",
        "The least that is left of a budget, by what has come back. No traffic: there is no budget.",
        "percentunit",
        f"min({of('budget_left_ratio')})",
        Colours(green=0.2, yellow=0.1, red=0),
    ),
    figure(
        "Truncated replies",
        "Share of the replies that ended at max_tokens. Above 5 % max_tokens is too small, or the model rambles.",
        "percentunit",
        share(per_second("truncated_total", "", STAGE), per_second("calls_total", "", STAGE, OK)),
        Colours(green=0, yellow=0.02, red=0.05),
    ),
    figure(
        "Unreadable verdicts",
        "Share of the candidates whose verdict could not be read, twice. They fail; they are not rejected.",
        "percentunit",
        share(per_second("failures_total", "", STAGE, UNREADABLE), per_second(CANDIDATES, "", STAGE, SEEN)),
        RARE,
    ),
]

STAGES = [
    bars(
        "Funnel",
        "Candidates made, and candidates that passed each stage, over the range shown.",
        "short",
        (so_far(CANDIDATES, "stage, outcome", STAGE, 'outcome=~"generated|derived|given"'), "{{stage}}: {{outcome}}"),
        (so_far(CANDIDATES, "stage", STAGE, PASSED), "{{stage}}: passed"),
    ),
    lines(
        "Pass rate",
        "Share of what a stage looks at that passes. A fall tells of a prompt, a model or a judge that changed.",
        "percentunit",
        (
            share(per_second(CANDIDATES, "stage", STAGE, PASSED), per_second(CANDIDATES, "stage", STAGE, SEEN)),
            "{{stage}}",
        ),
    ),
    lines(
        "Rejections",
        "Rejected candidates by stage and reason.",
        "cps",
        (per_second("rejections_total", "stage, reason", STAGE), "{{stage}}: {{reason}}"),
        stacked=True,
    ),
    lines(
        "Failures",
        "Candidates that nobody could make or judge, by stage and reason.",
        "cps",
        (per_second("failures_total", "stage, reason", STAGE), "{{stage}}: {{reason}}"),
        stacked=True,
    ),
]

QUEUES = [
    lines(
        "Utilisation",
        "How full the queue before each stage is.",
        "percentunit",
        (share(now("queue_depth", "stage", STAGE), now("queue_capacity", "stage", STAGE)), "{{stage}}"),
    ),
    lines(
        "Saturation",
        "Age of the oldest seed that waits before each stage.",
        "s",
        (most("queue_oldest_seconds", "stage", "max", STAGE), "{{stage}}"),
    ),
    lines(
        "Errors",
        "Share of what a stage looks at that it could not judge or make.",
        "percentunit",
        (
            share(per_second(CANDIDATES, "stage", STAGE, FAILED), per_second(CANDIDATES, "stage", STAGE, SEEN)),
            "{{stage}}",
        ),
    ),
    lines(
        "Seeds under way",
        "Seeds between admission and their end, by process.",
        "short",
        (now("groups_in_flight", "instance"), "{{instance}}"),
    ),
]

DIVERSITY = [
    lines(
        "Repetition",
        "Of the last window of outputs: the share that were there before, of 4-grams that another one has, and of "
        "outputs that begin with the same three words.",
        "percentunit",
        (most("duplicate_ratio", "stage"), "{{stage}}: duplicates"),
        (most("self_repetition_ratio", "stage"), "{{stage}}: 4-grams"),
        (most("opening_ratio", "stage"), "{{stage}}: opening"),
    ),
    lines(
        "Variety",
        "Different word n-grams by all of a window. It falls when outputs become alike.",
        "percentunit",
        (most("distinct_2gram_ratio", "stage", "min"), "{{stage}}: 2-grams"),
        (most("distinct_4gram_ratio", "stage", "min"), "{{stage}}: 4-grams"),
    ),
    lines(
        "Compression and length",
        "Bytes by compressed bytes, and words per output. Drift in length changes the other figures too.",
        "short",
        (most("compression_ratio", "stage"), "{{stage}}: compression"),
        (most("output_words", "stage"), "{{stage}}: words"),
    ),
    bars(
        "Collapse",
        "Alarms that outputs begin to repeat themselves, and the steps taken and undone, over the range shown.",
        "short",
        (so_far("collapse_alarms_total", "stage"), "{{stage}}: alarms"),
        (so_far("collapse_steps_total", "step, outcome"), "{{step}} {{outcome}}"),
    ),
]

CALLS = [
    lines(
        "Where a call's time goes",
        "Seconds of an average attempt: at our gate (limiter), on the wire (server), and until our ledger has it.",
        "s",
        (mean("call_wait_seconds", "", STAGE), "limiter"),
        (mean("call_duration_seconds", "", STAGE), "server"),
        (mean("call_commit_seconds", "", STAGE), "ledger"),
        stacked=True,
    ),
    lines(
        "Length of replies",
        "Completion tokens of a reply. What comes near max_tokens is truncated.",
        "short",
        (quantile(0.5, "completion_tokens", "stage", STAGE), "p50 {{stage}}"),
        (quantile(0.95, "completion_tokens", "stage", STAGE), "p95 {{stage}}"),
    ),
    lines(
        "Truncated",
        "Share of the replies of a stage that ended at max_tokens.",
        "percentunit",
        (
            share(per_second("truncated_total", "stage", STAGE), per_second("calls_total", "stage", STAGE, OK)),
            "{{stage}}",
        ),
    ),
    lines(
        "Cost",
        "US dollars per second by stage, where the price is known.",
        "currencyUSD",
        (per_second("cost_usd_total", "stage", STAGE), "{{stage}}"),
        stacked=True,
    ),
]

RUNTIME = [
    lines("Event loop lag", "How late the event loop wakes.", "s", *quantiles("event_loop_lag_seconds")),
    lines("Ledger commits", "Time of one commit, with its fsync.", "s", *quantiles("ledger_commit_seconds")),
    lines(
        "Budgets",
        "Share that is left, by kind of budget; of several jobs the least.",
        "percentunit",
        (most("budget_left_ratio", "budget", "min"), "{{budget}}"),
    ),
    lines(
        "What runs",
        "Processes, by version.",
        "short",
        (f"count by (version, python) ({of('build_info')})", "{{version}} on Python {{python}}"),
    ),
]


def run() -> Dashboard:
    text = "A run, or the jobs of a service by the types of their stages. Choose a process at the top."
    rows = {
        "Progress": PROGRESS,
        "Stages": STAGES,
        "Queues": QUEUES,
        "Diversity": DIVERSITY,
        "Calls of stages": CALLS,
        "Runtime": RUNTIME,
    }
    return page("tamis-run", "tamis: a run", text, rows, ours("stage", "Stage", "candidates_total"))
