"""Print docs/metrics.md from the code that fills a scrape. A test holds that the file is what this script prints.

.venv/bin/python scripts/metrics_doc.py > docs/metrics.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from service.observe import genai
from service.observe.catalogue import COUNTERS, GAUGES, HISTOGRAMS, REASONS, label_values

HEAD = """\
# Metrics

`tamis run --metrics-port PORT` and `tamis serve` answer `/metrics` in Prometheus's text format, or in OpenMetrics where
that is asked for. This page is printed by `scripts/metrics_doc.py` from the code that fills a scrape;
[grafana/](../grafana/README.md) has the dashboards and [runbook.md](runbook.md) the alerts that are made of it.

Labels are bounded: `endpoint` is an alias, `stage` a stage's name (in the service, where authors choose names, its
type, and `batch` for batches), and the others take the values listed below. What a stage asks for beside itself is
`NAME.audit`, `NAME.until`, `NAME.embed` or `NAME.revive`. No figure carries a seed, a prompt, an id or a job's name.
Every series that a pipeline can have is there from its start at 0; what has not been measured yet is NaN. Counters are
of this process and begin at 0 with it. A seed that was interrupted goes through its stages once more, with the replies
it has: its candidates and verdicts are counted again, its calls, tokens and costs are not.
"""

MADE_OF_IT = """\
## What is made of them

| question | PromQL |
|---|---|
| accepted per second | `rate(tamis_accepted_total[5m])` |
| calls, dollars per accepted candidate | `increase(tamis_calls_total[1h])`, `increase(tamis_cost_usd_total[1h])`, \
summed, by `increase(tamis_accepted_total[1h])` |
| where a call's time goes | `rate(…_seconds_sum[5m])` of `tamis_call_wait` (our limiter), `tamis_call_duration` \
(the server and the way there), `tamis_call_commit` (our ledger), beside `rate(tamis_backoff_seconds_total[5m])` |
| truncated share | `rate(tamis_truncated_total[5m]) / rate(tamis_calls_total{outcome="ok"}[5m])` |
| unreadable share | `rate(tamis_failures_total{reason="unreadable"}[5m])` by all that the stage looked at |
| length of replies | `histogram_quantile(0.95, rate(tamis_completion_tokens_bucket[5m]))` |

The wire's time is measured in our process: where `tamis_event_loop_lag_seconds` is large, part of it is ours. Calls in
batches of a provider have neither wait nor duration.
"""

OTEL = f"""\
## OpenTelemetry's names

With `{genai.VARIABLE}={genai.VALUE}` in the environment calls are
counted as well under the names that OpenTelemetry's
[conventions for generative AI](https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics) give them, for
dashboards that know these. The conventions still change, hence the word experimental. `error_type` is empty for a
served call and else its `outcome`; `gen_ai_token_type` is `input` or `output`.
"""


def table(head: str, rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    titles = head.split("|")
    yield f"| {' | '.join(titles)} |"
    yield "|" + "---|" * len(titles)
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def coded(words: tuple[str, ...] | list[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def numbers(bounds: tuple[float, ...]) -> str:
    return " ".join(f"{bound:g}" for bound in bounds)


def lines() -> Iterator[str]:
    yield HEAD
    yield "## Counters\n"
    counted = ((f"`tamis_{name}_total`", text, coded(labels)) for name, (text, *labels) in COUNTERS.items())
    yield from table("name|what|labels", counted)
    yield "## Gauges\n"
    read = ((f"`tamis_{name}`", text, coded(labels)) for name, (text, *labels) in GAUGES.items())
    yield from table("name|what|labels", read)
    yield "## Histograms\n"
    spread = ((f"`tamis_{name}`", one.text, coded(one.labels), numbers(one.bounds)) for name, one in HISTOGRAMS.items())
    yield from table("name|what|labels|buckets", spread)
    yield "## Values of labels\n"
    yield from table("label|values", ((name, coded(values)) for name, values in label_values().items()))
    yield "Reasons of rejections, by the type of the stage or the check of a `verify` stage:\n"
    yield from table("type|reasons", ((f"`{kind}`", coded(reasons)) for kind, reasons in REASONS.items()))
    yield MADE_OF_IT
    yield OTEL
    names = ((f"`{name}`", text, coded(labels)) for name, (text, _, labels) in genai.FAMILIES.items())
    yield "\n".join(table("name|what|labels", names)).rstrip()


if __name__ == "__main__":
    print("\n".join(lines()))
