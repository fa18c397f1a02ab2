"""Embeddings that lie as close together as their texts share words."""

from __future__ import annotations

import openai
import pytest

from service.simulator.options import Options

TEXT = "add three and four which makes seven and then take two away so five is left over"


async def test_the_official_client_gets_a_vector_for_each_text_and_likeness_shows(simulated) -> None:
    async with (
        simulated(Options()) as endpoint,
        openai.AsyncOpenAI(base_url=endpoint.base_url, api_key="none", max_retries=0) as client,
    ):
        texts = [TEXT, TEXT.replace("five", "six"), "the moon is far away from here"]
        said = await client.embeddings.create(model="simulated", input=texts, encoding_format="float")
        one, near, far = (item.embedding for item in said.data)
        assert [item.index for item in said.data] == [0, 1, 2]
        assert said.usage.prompt_tokens > 0
        cosine = [sum(a * b for a, b in zip(one, other, strict=True)) for other in (one, near, far)]
        assert cosine[0] == pytest.approx(1, abs=1e-4)
        assert 0.8 < cosine[1] < 1
        assert cosine[2] < 0.5
