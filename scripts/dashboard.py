"""Print grafana/dashboards/tamis.json. A test holds that the file is what this script prints.

.venv/bin/python scripts/dashboard.py > grafana/dashboards/tamis.json
"""

from __future__ import annotations

import json
from typing import Any

from grafana_panels import bars, lines, now, of, per_second, placed, quantile, quantiles, so_far, stat, variable, worst

CALLS = "calls_total"
WRONG = 'outcome=~"error|timeout|invalid"'
ENDED = 'outcome=~"solved|unsolved|failed"'

ROWS: dict[str, list[dict[str, Any]]] = {
    "At a glance": [
        stat(
            "Seeds solved",
            "Share of the seeds that ended with at least one accepted candidate, over the range shown.",
            "percentunit",
            so_far("seeds_total", "", 'outcome="solved"') + " / " + so_far("seeds_total", "", ENDED),
            green=0.5,
            yellow=0.25,
            red=0,
        ),
        stat(
            "Calls",
            "Attempts that come back per second, from all endpoints.",
            "reqps",
            per_second(CALLS),
            green=0.1,
            yellow=0.01,
            red=0,
        ),
        stat(
            "Attempts that fail",
            "Errors, time-outs and unreadable bodies, as a share of the attempts. Refusals are counted beside.",
            "percentunit",
            per_second(CALLS, "", WRONG) + " / " + per_second(CALLS),
            green=0,
            yellow=0.01,
            red=0.05,
        ),
        stat(
            "Attempts refused",
            "Answers 429 and 503 as a share of the attempts: above 1 % a limit is set too high, or not known.",
            "percentunit",
            per_second("rate_limited_total") + " / " + per_second(CALLS),
            green=0,
            yellow=0.01,
            red=0.05,
        ),
        stat(
            "Slow calls (p95)",
            "One attempt in twenty takes longer than this on the wire.",
            "s",
            quantile(0.95, "call_duration"),
            green=0,
            yellow=30,
            red=120,
        ),
        stat(
            "Event loop lag (p99)",
            "How late the event loop wakes. Above 100 ms this process is short of CPU, and slower than its endpoints.",
            "s",
            quantile(0.99, "event_loop_lag"),
            green=0,
            yellow=0.05,
            red=0.1,
        ),
    ],
    "Yield": [
        bars(
            "Funnel",
            "Candidates made, and candidates that passed each stage, over the range shown.",
            "short",
            (so_far("candidates_total", "stage, outcome", 'outcome=~"generated|derived|given"'), "{{stage}}: made"),
            (so_far("candidates_total", "stage", 'outcome="passed"'), "{{stage}}: passed"),
        ),
        lines(
            "Seeds",
            "Seeds that leave, by outcome. A parked seed waits in the ledger and leaves once more, in a later phase.",
            "cps",
            (per_second("seeds_total", "outcome"), "{{outcome}}"),
            stacked=True,
        ),
        lines(
            "Seeds under way",
            "Seeds between admission and their end. Flat is right; what grows is not drained.",
            "short",
            (now("groups_in_flight", "instance"), "{{instance}}"),
        ),
    ],
    "Rejections": [
        bars(
            "Reasons",
            "Rejected candidates by stage and reason, over the range shown.",
            "short",
            (so_far("rejections_total", "stage, reason"), "{{stage}}: {{reason}}"),
            width=12,
        ),
        lines(
            "Rejections over time",
            "A reason that rises tells of a prompt, a model or a judge that changed.",
            "cps",
            (per_second("rejections_total", "stage, reason"), "{{stage}}: {{reason}}"),
            width=12,
            stacked=True,
        ),
    ],
    "Diversity": [
        lines(
            "Repetition",
            "Of the last window of outputs: the share that were there before, of 4-grams that another one has, and of "
            "outputs that begin with the same three words.",
            "percentunit",
            (worst("duplicate_ratio"), "{{stage}}: duplicates"),
            (worst("self_repetition_ratio"), "{{stage}}: 4-grams"),
            (worst("opening_ratio"), "{{stage}}: opening"),
            width=6,
        ),
        lines(
            "Variety",
            "Different word n-grams by all of a window. It falls when outputs become alike.",
            "percentunit",
            (worst("distinct_2gram_ratio", "min"), "{{stage}}: 2-grams"),
            (worst("distinct_4gram_ratio", "min"), "{{stage}}: 4-grams"),
            width=6,
        ),
        lines(
            "Compression and length",
            "Bytes by compressed bytes, and words per output. Drift in length changes the other figures too.",
            "short",
            (worst("compression_ratio"), "{{stage}}: compression"),
            (worst("output_words"), "{{stage}}: words"),
            width=6,
        ),
        bars(
            "Collapse",
            "Alarms that outputs begin to repeat themselves, and the steps taken and undone, over the range shown.",
            "short",
            (so_far("collapse_alarms_total", "stage"), "{{stage}}: alarms"),
            (so_far("collapse_steps_total", "step, outcome"), "{{step}} {{outcome}}"),
            width=6,
        ),
    ],
    "Calls": [
        lines(
            "Rate",
            "Attempts that come back, by endpoint and outcome.",
            "reqps",
            (per_second(CALLS, "endpoint, outcome"), "{{endpoint}}: {{outcome}}"),
            width=6,
            stacked=True,
        ),
        lines(
            "Retries",
            "Attempts made again, by what went wrong.",
            "reqps",
            (per_second("retries_total", "endpoint, cause"), "{{endpoint}}: {{cause}}"),
            width=6,
            stacked=True,
        ),
        lines("Duration", "Time on the wire.", "s", *quantiles("call_duration", "endpoint"), width=6),
        lines(
            "Servers left alone",
            "Servers of an endpoint that failed again and again. They are asked now and then whether they are back.",
            "short",
            (now("breaker_open", "endpoint"), "{{endpoint}}"),
            width=3,
        ),
        lines(
            "In batches",
            "Requests that the provider works on in batches.",
            "short",
            (now("in_batches", "endpoint"), "{{endpoint}}"),
            width=3,
        ),
    ],
    "Limits": [
        lines(
            "In flight",
            "Calls on the wire, and how many may be.",
            "short",
            (now("calls_in_flight", "endpoint"), "{{endpoint}}"),
            (now("concurrency_limit", "endpoint"), "{{endpoint}}: limit"),
        ),
        lines(
            "Headroom",
            "Share of the concurrency limit that is free. Near 0: the limit holds the run back, not the work.",
            "percentunit",
            (f"1 - {now('calls_in_flight', 'endpoint')} / {now('concurrency_limit', 'endpoint')}", "{{endpoint}}"),
        ),
        lines("Wait", "Time at the gate, before the wire.", "s", *quantiles("call_wait", "endpoint")),
    ],
    "Queues": [
        lines(
            "Utilisation",
            "How full the queue before each stage is.",
            "percentunit",
            (f"{now('queue_depth', 'stage')} / {now('queue_capacity', 'stage')}", "{{stage}}"),
        ),
        lines(
            "Saturation",
            "Age of the oldest seed that waits before each stage.",
            "s",
            (f"max by (stage) ({of('queue_oldest_seconds')})", "{{stage}}"),
        ),
        lines(
            "Errors",
            "Candidates that a stage could not judge or make. They are failed, not rejected.",
            "cps",
            (per_second("candidates_total", "stage", 'outcome="failed"'), "{{stage}}"),
        ),
    ],
    "Runtime": [
        lines("Event loop lag", "How late the event loop wakes.", "s", *quantiles("event_loop_lag")),
        lines("Ledger commits", "Time of one commit, with its fsync.", "s", *quantiles("ledger_commit")),
        lines(
            "What runs",
            "Processes, by version.",
            "short",
            (f"count by (version, python) ({of('build_info')})", "{{version}} on Python {{python}}"),
        ),
    ],
    "Tokens and cost": [
        lines(
            "Tokens",
            "Reasoning tokens are part of the completion, cached ones part of the prompt.",
            "cps",
            (per_second("tokens_total", "endpoint, kind"), "{{endpoint}}: {{kind}}"),
        ),
        bars(
            "Cost",
            "US dollars over the range shown, by endpoint and stage, where the price is known.",
            "currencyUSD",
            (so_far("cost_usd_total", "endpoint, stage"), "{{endpoint}}: {{stage}}"),
        ),
        lines(
            "Calls of unknown price",
            "Served calls whose endpoint has no `price`, or whose reply had no usage. Their cost is not in the cost.",
            "reqps",
            (per_second("unpriced_calls_total", "endpoint"), "{{endpoint}}"),
        ),
    ],
}


def dashboard() -> dict[str, Any]:
    source = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    return {
        "uid": "tamis",
        "title": "tamis",
        "description": "A run of tamis: what comes out, what is rejected and why, what the endpoints do.",
        "tags": ["tamis"],
        "editable": False,
        "schemaVersion": 39,
        "time": {"from": "now-30m", "to": "now"},
        "refresh": "10s",
        "templating": {"list": [source, variable("job", "Job"), variable("instance", "Instance")]},
        "annotations": {"list": []},
        "panels": list(placed(ROWS)),
    }


if __name__ == "__main__":
    print(json.dumps(dashboard(), indent=1, ensure_ascii=False))
