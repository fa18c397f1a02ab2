"""The endpoint over real HTTP: shapes, determinism, counts, and what it refuses."""

from __future__ import annotations

import asyncio

import openai
import orjson
import pytest

from service.simulator.options import Options

ASK = "What is 17 + 25 * 2?"


async def test_openai_client_gets_completions_models_and_logprobs(simulated) -> None:
    async with (
        simulated(Options(accuracy=1.0)) as endpoint,
        openai.AsyncOpenAI(base_url=endpoint.base_url, api_key="x", max_retries=0) as client,
    ):
        messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": ASK}]
        reply = await client.chat.completions.create(
            model="simulated", messages=messages, n=2, seed=1, logprobs=True, top_logprobs=3
        )
        for choice in reply.choices:
            assert choice.message.content.endswith("answer is 67.")
            tokens = choice.logprobs.content
            assert "".join(token.token for token in tokens) == choice.message.content
            assert all(len(token.top_logprobs) == 3 for token in tokens)
            assert all(token.logprob <= 0 and token.top_logprobs[0].token == token.token for token in tokens)
        assert reply.usage.completion_tokens == sum(len(choice.logprobs.content) for choice in reply.choices)
        assert reply.choices[0].message.content != reply.choices[1].message.content
        assert [model.id async for model in client.models.list()] == ["simulated"]
        text = await client.completions.create(model="simulated", prompt=ASK, logprobs=2)
        assert text.choices[0].text.endswith("answer is 67.")
        assert "".join(text.choices[0].logprobs.tokens) == text.choices[0].text


async def test_openai_client_parses_a_judge_reply_by_schema(simulated) -> None:
    options = Options(sensitivity=1, specificity=1)
    schema = {"type": "object", "properties": {"pass": {"type": "boolean"}}, "required": ["pass"]}
    form = {"type": "json_schema", "json_schema": {"name": "verdict", "schema": schema, "strict": True}}
    async with (
        simulated(options) as endpoint,
        openai.AsyncOpenAI(base_url=endpoint.base_url, api_key="x", max_retries=0) as client,
    ):
        for answer, passes in (("67", True), ("84", False)):
            prompt = f"Question: {ASK}\nResponse: 25 * 2 = 50. The answer is {answer}.\nDoes the response hold?"
            reply = await client.chat.completions.create(
                model="simulated", messages=[{"role": "user", "content": prompt}], response_format=form
            )
            assert orjson.loads(reply.choices[0].message.content) == {"pass": passes}


async def test_a_judge_without_a_schema_answers_in_the_shape_it_is_shown(simulated) -> None:
    prompt = f'{ASK}\n\n#### 67\n\nReply with JSON: {{"pass": true or false, "reason": "why"}}'
    async with simulated(Options(sensitivity=1, specificity=1)) as endpoint:
        assert orjson.loads((await endpoint.ask(prompt)).text)["pass"] is True
        assert orjson.loads((await endpoint.ask(prompt.replace("67", "66"))).text)["pass"] is False


async def test_the_question_may_stand_in_an_earlier_message(simulated) -> None:
    messages = [
        {"role": "user", "content": ASK},
        {"role": "assistant", "content": "Hm."},
        {"role": "user", "content": [{"type": "text", "text": "Please answer."}]},
    ]
    async with simulated(Options(accuracy=1.0)) as endpoint:
        reply = await endpoint.post({"model": "simulated", "messages": messages})
        assert reply.text.endswith("answer is 67.")


async def test_content_depends_on_seed_and_body_and_on_nothing_else(simulated) -> None:
    """Not on the order of arrival, the order of keys, the latency, or which process answers."""
    prompts = [f"What is {a} + {b}?" for a in range(4) for b in range(4)]

    async def replies(options: Options, order: list[str]) -> dict[str, bytes]:
        async with simulated(options) as endpoint:
            answers = await asyncio.gather(*(endpoint.ask(prompt, seed=3) for prompt in order))
        return dict(zip(order, [answer.raw for answer in answers], strict=True))

    first = await replies(Options(), prompts)
    assert first == await replies(Options(latency=0.001, jitter=1.0), prompts[::-1])
    assert first != await replies(Options(seed=8), prompts)
    async with simulated(Options()) as endpoint:
        turned = {"seed": 3, "messages": [{"content": prompts[0], "role": "user"}], "model": "simulated"}
        assert (await endpoint.post(turned)).raw == first[prompts[0]]


async def test_each_sampling_seed_gets_a_draw_of_its_own(simulated) -> None:
    async with simulated(Options(accuracy=0.5)) as endpoint:
        replies = [(await endpoint.ask(ASK, seed=seed)).text for seed in range(40)]
        assert len(set(replies)) > 20
        assert 8 < sum(reply.endswith(" 67.") for reply in replies) < 32


async def test_max_tokens_cuts_and_says_so(simulated) -> None:
    async with simulated(Options()) as endpoint:
        whole = await endpoint.ask(ASK)
        room = whole.body["usage"]["completion_tokens"]
        cut = await endpoint.ask(ASK, max_tokens=5)
        assert cut.body["usage"]["completion_tokens"] == 5
        assert cut.body["choices"][0]["finish_reason"] == "length"
        assert len(cut.text) < len(whole.text)
        assert whole.body["choices"][0]["finish_reason"] == "stop"
        assert (await endpoint.ask(ASK, max_tokens=room + 40)).body["choices"][0]["finish_reason"] == "stop"


async def test_reasoning_stands_in_a_field_or_in_tags_and_is_counted(simulated) -> None:
    async with simulated(Options(reasoning="field")) as endpoint:
        reply = (await endpoint.ask(ASK)).body
        message, usage = reply["choices"][0]["message"], reply["usage"]
        assert message["reasoning_content"]
        assert "<think>" not in message["content"]
        assert 0 < usage["completion_tokens_details"]["reasoning_tokens"] < usage["completion_tokens"]
    async with simulated(Options(reasoning="tags")) as endpoint:
        assert (await endpoint.ask(ASK)).text.startswith("<think>\n")
        cut = (await endpoint.ask(ASK, max_tokens=4)).text
        assert cut.startswith("<think>\n")
        assert "</think>" not in cut


async def test_what_is_no_question_gets_prose(simulated) -> None:
    async with simulated(Options()) as endpoint:
        assert len((await endpoint.ask("Write about rain.")).text) > 40


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        (b"{", 400, None, "parse the JSON body"),
        (b"[]", 400, None, "valid dictionary"),
        ({"model": "gpt-9", "messages": [{}]}, 404, "model_not_found", "`gpt-9` does not exist"),
        ({"model": "simulated", "messages": []}, 400, None, "'messages'"),
        (
            {"model": "simulated", "messages": [{"content": "x"}], "response_format": "json"},
            400,
            None,
            "'response_format'",
        ),
        ({"model": "simulated", "messages": [{"content": "x"}], "n": 0}, 400, None, "'n'"),
        ({"model": "simulated", "messages": [{"content": "x"}], "max_tokens": "4"}, 400, None, "'max_tokens'"),
        ({"model": "simulated", "messages": [{"content": "x"}], "stream": True}, 400, None, "'stream'"),
        (
            {"model": "simulated", "messages": [{"content": "x" * 400}], "max_tokens": 29},
            400,
            "context_length_exceeded",
            "maximum context length is 128 tokens. However, you requested 129 tokens (100 in",
        ),
    ],
)
async def test_bad_requests_are_refused_in_openai_s_shape(simulated, body, status, code, words) -> None:
    async with simulated(Options(context=128)) as endpoint:
        reply = await endpoint.post(body)
        error = reply.body["error"]
        assert (reply.status, error["code"], error["type"]) == (status, code, "invalid_request_error")
        assert words in error["message"]
        assert (await endpoint.stats())["refused"] == {"invalid": 1}


async def test_a_key_is_asked_for_and_dies_after_its_replies(simulated) -> None:
    async with simulated(Options(api_key="sk-simulated-0001", revoke_after=2)) as endpoint:

        async def status(key: str | None, prompt: str = ASK) -> tuple[int, str]:
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            reply = await endpoint.post({"model": "simulated", "messages": [{"content": prompt}]}, **headers)
            return reply.status, "" if reply.status == 200 else reply.body["error"]["message"]

        refused, words = await status(None)
        assert (refused, words[:18]) == (401, "You didn't provide")
        refused, words = await status("sk-another-0002")
        assert refused == 401
        assert words.startswith("Incorrect API key provided: sk-")
        assert "another" not in words
        assert [(await status("sk-simulated-0001", p))[0] for p in ("a", "b", "c")] == [200, 200, 401]
        async with openai.AsyncOpenAI(base_url=endpoint.base_url, api_key="wrong", max_retries=0) as client:
            with pytest.raises(openai.AuthenticationError):
                await client.models.list()


async def test_stats_count_calls_repeats_peak_and_can_be_reset(simulated) -> None:
    async with simulated(Options(latency=0.05)) as endpoint:
        await asyncio.gather(*(endpoint.ask(f"What is {n} + 1?") for n in range(5)))
        await endpoint.ask("What is 0 + 1?")
        stats = await endpoint.stats()
        assert (stats["calls"], stats["answered"], stats["repeats"], stats["peak"]) == (6, 5, 1, 5)
        assert stats["in_flight"] == 0
        assert stats["tokens"] > 0
        await endpoint.post(b"", "/../stats/reset")
        assert (await endpoint.stats())["calls"] == 0
        await endpoint.ask("What is 0 + 1?")
        assert (await endpoint.stats())["repeats"] == 0
        assert await endpoint.get("/health") == {"status": "ok"}


async def test_a_client_that_leaves_is_no_answered_call(simulated) -> None:
    async with simulated(Options(latency=30.0)) as endpoint:
        call = asyncio.ensure_future(endpoint.ask(ASK))
        await endpoint.in_flight(1)
        call.cancel()
        await endpoint.in_flight(0)
        assert (await endpoint.stats())["answered"] == 0


async def test_it_says_of_its_load_what_vllm_would(simulated) -> None:
    """Two slots, three calls: two run, one waits, and the cache holds what the two may take."""
    async with (
        simulated(Options(accuracy=1.0, latency=0.3, slots=2, context=1000)) as endpoint,
        asyncio.TaskGroup() as tasks,
    ):
        calls = [tasks.create_task(endpoint.ask(f"What is {n} + 2?", max_tokens=490)) for n in range(3)]
        async with asyncio.timeout(10):
            while (load := await endpoint.figures())["vllm:num_requests_waiting"] == 0:
                pass
        assert load["vllm:num_requests_running"] == 2
        assert load["vllm:num_requests_waiting"] == 1
        assert 0.49 < load["vllm:kv_cache_usage_perc"] < 0.52
        await asyncio.wait(calls)
        assert set((await endpoint.figures()).values()) == {0.0}


async def test_without_slots_or_context_it_knows_of_no_cache(simulated) -> None:
    async with simulated(Options(accuracy=1.0)) as endpoint:
        assert await endpoint.figures() == {"vllm:num_requests_running": 0, "vllm:num_requests_waiting": 0}
