"""Endpoints and their limits: what is asked of them, what holds calls back, and what the server itself says."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard
from panels import Colours, choice, failing, figure, left_alone, lines, ours, page, refused, slow
from queries import mean, now, or_zero, per_second, quantiles, share

ENDPOINT = 'endpoint=~"$endpoint"'
SERVED = 'outcome="ok"'
CALLS = "calls_total"
MODEL = 'model_name=~"$model"'
SHARED = "Aliases of one group share a limit: their shares add up."


def limit(kind: str) -> str:
    return now("limit_per_minute", "endpoint", ENDPOINT, f'kind="{kind}"')


def tokens(kinds: str) -> str:
    return per_second("tokens_total", "endpoint", ENDPOINT, f'kind=~"{kinds}"')


ORDER = [
    figure(
        "Served",
        "Attempts answered per second.",
        "reqps",
        or_zero(per_second(CALLS, "", ENDPOINT, SERVED)),
    ),
    failing(ENDPOINT),
    refused("Answers 429 and 503 as a share of the attempts.", ENDPOINT),
    slow(ENDPOINT),
    figure(
        "Waiting at the gate",
        "Calls that wait for a place, pace, tokens, or the end of a cool-down, at the endpoint with most of them.",
        "short",
        or_zero(f"max({now('calls_waiting', 'endpoint', ENDPOINT)})"),
        Colours(green=0, yellow=500, red=2000),
    ),
    figure(
        "Servers left alone",
        "Servers that failed again and again.",
        "short",
        or_zero(now("breaker_open", "", ENDPOINT)),
        Colours(green=0, yellow=1, red=2),
    ),
]

RATE = [
    lines(
        "Rate",
        "Attempts that come back, by endpoint and outcome.",
        "reqps",
        (per_second(CALLS, "endpoint, outcome", ENDPOINT), "{{endpoint}}: {{outcome}}"),
        stacked=True,
    ),
    lines(
        "Errors and retries",
        "Attempts made again, by what went wrong.",
        "reqps",
        (per_second("retries_total", "endpoint, cause", ENDPOINT), "{{endpoint}}: {{cause}}"),
        stacked=True,
    ),
    lines("Duration", "Time on the wire.", "s", *quantiles("call_duration_seconds", "endpoint", ENDPOINT)),
    left_alone(ENDPOINT),
]

LIMITS = [
    lines(
        "In flight",
        "Calls on the wire, and how many may be.",
        "short",
        (now("calls_in_flight", "endpoint", ENDPOINT), "{{endpoint}}"),
        (now("concurrency_limit", "endpoint", ENDPOINT), "{{endpoint}}: limit"),
    ),
    lines(
        "Places taken",
        f"Share of the concurrency limit that is in use. Near 1: the limit holds the run back, not the work. {SHARED}",
        "percentunit",
        (
            share(now("calls_in_flight", "endpoint", ENDPOINT), now("concurrency_limit", "endpoint", ENDPOINT)),
            "{{endpoint}}",
        ),
    ),
    lines(
        "Requests by their limit",
        "Attempts per minute as a share of what may go, where a rate is set. At 1 the rate holds the run back. "
        + SHARED,
        "percentunit",
        (share("60 * " + per_second(CALLS, "endpoint", ENDPOINT), limit("requests")), "{{endpoint}}"),
    ),
    lines(
        "Tokens by their limit",
        "Tokens per minute as a share of what may go, where a rate is set. What is reserved and not used comes back. "
        + SHARED,
        "percentunit",
        (share("60 * " + tokens("prompt|completion"), limit("tokens")), "{{endpoint}}"),
    ),
]

WAITS = [
    lines(
        "Who waits for what",
        "Calls at the gate, by what the first of them lacks.",
        "short",
        (now("calls_waiting", "endpoint, lacks", ENDPOINT), "{{endpoint}}: {{lacks}}"),
        stacked=True,
    ),
    lines("Wait", "Time at the gate, before the wire.", "s", *quantiles("call_wait_seconds", "endpoint", ENDPOINT)),
    lines(
        "Where a call's time goes",
        "Seconds of an average attempt: at our gate, on the wire, until our ledger has it, and put off for a retry.",
        "s",
        (mean("call_wait_seconds", "", ENDPOINT), "limiter"),
        (mean("call_duration_seconds", "", ENDPOINT), "server"),
        (mean("call_commit_seconds", "", ENDPOINT), "ledger"),
        (share(per_second("backoff_seconds_total", "", ENDPOINT), per_second(CALLS, "", ENDPOINT)), "put off"),
        stacked=True,
    ),
    lines(
        "In batches",
        "Requests that the provider works on in batches.",
        "short",
        (now("in_batches", "endpoint", ENDPOINT), "{{endpoint}}"),
    ),
]

SERVER = [
    lines(
        "Running at the server",
        "vLLM's running requests, beside the calls that we have on the wire. The rest of those waits.",
        "short",
        (f"sum by (model_name) (vllm:num_requests_running{{{MODEL}}})", "{{model_name}}: running"),
        (now("calls_in_flight", "endpoint", ENDPOINT), "{{endpoint}}: on the wire"),
    ),
    lines(
        "Waiting at the server",
        "vLLM's waiting requests, beside the calls that wait at our gate. Who waits there and not here shows that our "
        "limit is higher than is of use.",
        "short",
        (f"sum by (model_name) (vllm:num_requests_waiting{{{MODEL}}})", "{{model_name}}: at the server"),
        (now("calls_waiting", "endpoint", ENDPOINT), "{{endpoint}}: at our gate"),
    ),
    lines(
        "KV cache",
        "Share of vLLM's KV cache in use. Near 1 it preempts requests: fewer at a time finish sooner.",
        "percentunit",
        (f"max by (model_name) (vllm:kv_cache_usage_perc{{{MODEL}}})", "{{model_name}}"),
    ),
    lines(
        "Length of replies",
        "Completion tokens of a reply.",
        "short",
        *quantiles("completion_tokens", "endpoint", ENDPOINT),
    ),
]

TOKENS = [
    lines(
        "Tokens",
        "Reasoning tokens are part of the completion, cached ones part of the prompt.",
        "cps",
        (per_second("tokens_total", "endpoint, kind", ENDPOINT), "{{endpoint}}: {{kind}}"),
    ),
    lines(
        "Cached prompts",
        "Share of the prompt tokens that the server had in its cache.",
        "percentunit",
        (share(tokens("cached"), tokens("prompt")), "{{endpoint}}"),
    ),
    lines(
        "Cost",
        "US dollars per second, where the price is known.",
        "currencyUSD",
        (per_second("cost_usd_total", "endpoint", ENDPOINT), "{{endpoint}}"),
        stacked=True,
    ),
    lines(
        "Calls of unknown price",
        "Served calls whose endpoint has no `price`, or whose reply had no usage. Their cost is not in the cost.",
        "reqps",
        (per_second("unpriced_calls_total", "endpoint", ENDPOINT), "{{endpoint}}"),
    ),
]


def endpoints() -> Dashboard:
    text = "What is asked of endpoints, which limit holds calls back, and what vLLM says of itself where it is scraped."
    rows = {
        "In good order": ORDER,
        "Rate, errors, duration": RATE,
        "Limits": LIMITS,
        "Waiting": WAITS,
        "At the server": SERVER,
        "Tokens and cost": TOKENS,
    }
    model = choice("model", "Model at vLLM", "label_values(vllm:num_requests_running, model_name)")
    more = ours("endpoint", "Endpoint", "calls_total"), model
    return page("tamis-endpoints", "tamis: endpoints and limits", text, rows, *more)
