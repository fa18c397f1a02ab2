"""Calls under the names that OpenTelemetry gives to what asks language models, for those whose dashboards know them.

Its semantic conventions for generative AI may still change, so they are off unless asked for by the variable that
OpenTelemetry has for that: `OTEL_SEMCONV_STABILITY_OPT_IN=gen_ai_latest_experimental`.
Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics, names as Prometheus writes them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from prometheus_client import Metric

from config.schema import Endpoint
from service.observe.catalogue import Buckets
from service.observe.histogram import Histograms
from stages.core.events import CallFinished

VARIABLE, VALUE = "OTEL_SEMCONV_STABILITY_OPT_IN", "gen_ai_latest_experimental"
PROVIDER = "openai"  # whose protocol is spoken; who is behind it nobody tells us
SECONDS = tuple(0.01 * 2**power for power in range(14))
TOKENS = tuple(4.0**power for power in range(14))
"""The bounds of buckets that the conventions ask for."""
CALL = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")
FAMILIES = {
    "gen_ai_client_operation_duration_seconds": Buckets("Time of a call on the wire", SECONDS, (*CALL, "error_type")),
    "gen_ai_client_token_usage": Buckets("Tokens of a served call", TOKENS, (*CALL, "gen_ai_token_type")),
}


def asked_for() -> bool:
    """Tell whether the environment asks for these names."""
    return VALUE in (word.strip() for word in os.environ.get(VARIABLE, "").split(","))


class GenAi:
    """Observes finished calls; a collector of prometheus_client. `endpoints`: what each alias is."""

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        self._apis = {alias: (endpoint.api, endpoint.model or alias) for alias, endpoint in endpoints.items()}
        self._duration, self._usage = (Histograms(name, *about) for name, about in FAMILIES.items())

    def __call__(self, event: CallFinished) -> None:
        """Observe one finished call."""
        api, model = self._apis[event.endpoint]
        asked = {"chat": "chat", "completions": "text_completion"}[api] if event.route == "generate" else event.route
        call = (asked, PROVIDER, model)
        if event.duration_s:  # what came home in a batch took hours, and was no call
            self._duration[*call, "" if event.outcome == "ok" else event.outcome].observe(event.duration_s)
        if event.outcome == "ok":
            self._usage[*call, "input"].observe(event.prompt_tokens)
            self._usage[*call, "output"].observe(event.completion_tokens)

    def collect(self) -> Iterator[Metric]:
        """Yield what a scrape sees; prometheus_client asks for it by this name."""
        yield self._duration.family()
        yield self._usage.family()
