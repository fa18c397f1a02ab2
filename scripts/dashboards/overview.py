"""The first look: is what runs in good order, what comes out of it, and what does it take."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard
from panels import Colours, bars, failing, figure, left_alone, lines, page, refused, slow
from queries import now, or_zero, per_second, quantile, share, so_far

CALLS, ACCEPTED = "calls_total", "accepted_total"
ENDED = 'outcome=~"solved|unsolved|failed"'
MADE = 'outcome=~"generated|derived|given"'
ALERTS = 'ALERTS{job=~"$job", instance=~"$instance", alertname=~"Tamis.+", alertstate="firing"}'

ORDER = [
    figure(
        "Alerts",
        "Alerts of tamis that fire now. The runbook says what each of them asks for.",
        "short",
        or_zero(f"count({ALERTS})"),
        Colours(green=0, yellow=1, red=3),
    ),
    figure(
        "Jobs that run",
        "Jobs under way; a run of the command line is one.",
        "short",
        or_zero(now("jobs", "", 'state="running"')),
    ),
    figure(
        "Accepted",
        "Accepted candidates per second, of the seeds that have ended.",
        "cps",
        or_zero(per_second(ACCEPTED)),
    ),
    figure(
        "Seeds solved",
        "Share of the seeds that ended with at least one accepted candidate, over the range shown.",
        "percentunit",
        share(so_far("seeds_total", "", 'outcome="solved"'), so_far("seeds_total", "", ENDED)),
        Colours(green=0.5, yellow=0.25, red=0),
    ),
    failing(more=" Refusals are counted beside."),
    refused("Answers 429 and 503 as a share of the attempts: above 1 % a limit is set too high, or not known."),
    slow(),
    figure(
        "Event loop lag (p99)",
        "How late the event loop wakes. Above 100 ms this process is short of CPU, and slower than its endpoints.",
        "s",
        quantile(0.99, "event_loop_lag_seconds"),
        Colours(green=0, yellow=0.05, red=0.1),
    ),
]

YIELD = [
    bars(
        "Funnel",
        "Candidates made, candidates that passed each stage, and candidates accepted, over the range shown.",
        "short",
        (so_far("candidates_total", "stage, outcome", MADE), "{{stage}}: made"),
        (so_far("candidates_total", "stage", 'outcome="passed"'), "{{stage}}: passed"),
        (so_far(ACCEPTED), "accepted"),
    ),
    lines(
        "Accepted and made",
        "Candidates per second. What is accepted comes in bursts where a stage compares all seeds.",
        "cps",
        (per_second("candidates_total", "", MADE), "made"),
        (per_second(ACCEPTED), "accepted"),
    ),
    lines(
        "Seeds",
        "Seeds that leave, by outcome. A parked seed waits in the ledger and leaves once more, in a later phase.",
        "cps",
        (per_second("seeds_total", "outcome"), "{{outcome}}"),
        stacked=True,
    ),
    bars(
        "Reasons of rejections",
        "Rejected candidates by stage and reason, over the range shown.",
        "short",
        (so_far("rejections_total", "stage, reason"), "{{stage}}: {{reason}}"),
    ),
]

WORK = [
    lines(
        "Calls",
        "Attempts that come back, by how they ended.",
        "reqps",
        (per_second(CALLS, "outcome"), "{{outcome}}"),
        stacked=True,
    ),
    lines(
        "Jobs",
        "Jobs by state. What is queued waits for a place.",
        "short",
        (now("jobs", "state"), "{{state}}"),
        stacked=True,
    ),
    lines(
        "Fullest queues",
        "How full the queue before each stage is. The stage after a full one is the slow one.",
        "percentunit",
        (share(now("queue_depth", "stage"), now("queue_capacity", "stage")), "{{stage}}"),
    ),
    left_alone(),
]

COST = [
    lines(
        "Tokens",
        "Reasoning tokens are part of the completion, cached ones part of the prompt.",
        "cps",
        (per_second("tokens_total", "kind"), "{{kind}}"),
    ),
    bars(
        "Cost",
        "US dollars over the range shown, by endpoint and stage, where the price is known.",
        "currencyUSD",
        (so_far("cost_usd_total", "endpoint, stage"), "{{endpoint}}: {{stage}}"),
    ),
    lines(
        "Calls per accepted",
        "Attempts made for each candidate accepted, over the range shown up to each moment.",
        "short",
        (share(so_far(CALLS), so_far(ACCEPTED)), "calls"),
    ),
    lines(
        "Cost per accepted",
        "US dollars spent for each candidate accepted, over the range shown up to each moment.",
        "currencyUSD",
        (share(so_far("cost_usd_total"), so_far(ACCEPTED)), "cost"),
    ),
]


def overview() -> Dashboard:
    text = "All that tamis does here: is it in good order, what comes out, what it takes."
    rows = {"In good order": ORDER, "Yield": YIELD, "Work": WORK, "Tokens and cost": COST}
    return page("tamis-overview", "tamis: overview", text, rows)
