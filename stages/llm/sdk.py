"""The openai SDK as it reaches an endpoint: the way that `transport.py` goes, and nothing of the environment enters.

It is slow to load, so it is imported where it is used: by the preflight and by batches, never for a live call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from yarl import URL

from config.schema import Endpoint
from stages.llm.keys import ApiKey
from stages.llm.transport import trust
from stages.llm.wire import auth_headers

if TYPE_CHECKING:
    import openai


def headers_of(config: Endpoint, key: ApiKey) -> dict[str, str]:
    """Return the endpoint's headers; what the SDK would add of its own or from the environment is left out."""
    import openai

    ours = dict.fromkeys(("Authorization", "OpenAI-Organization", "OpenAI-Project"), openai.Omit())
    return cast("dict[str, str]", {**ours, **auth_headers(config.api_key_header, key.text), **config.headers})


def client_of(config: Endpoint, url: str, timeout_s: float) -> openai.AsyncOpenAI:
    """Return a client that reaches the server as `transport.py` would; it never tries again by itself."""
    import openai

    base = URL(url)
    return openai.AsyncOpenAI(
        base_url=str(base.with_query(None)),
        api_key="set per request",
        max_retries=0,
        default_query={**base.query, **config.query},
        http_client=openai.DefaultAsyncHttpxClient(
            proxy=config.proxy,
            verify=True if config.ca_file is None else trust(config.ca_file),
            trust_env=False,
            follow_redirects=False,
            timeout=timeout_s,
        ),
    )
