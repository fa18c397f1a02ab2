"""The reply to a request in OpenAI's shape: what is said, how much of it fits, what it counts, log-probabilities.

A function of the seed and the request alone, and of the number of the choice where several are asked for; a generator
that collapses (`slide.py`) counts besides how many texts it has written.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import orjson

from service.simulator import measures, rewriting, tokens
from service.simulator.asked import Asked
from service.simulator.draws import Draws
from service.simulator.judge import Judge
from service.simulator.options import Options
from service.simulator.questions import KnownQuestions
from service.simulator.schema import Filling, from_example
from service.simulator.world import World

_THOUGHTS = (
    "The request is clear enough; let me check what it asks before I answer.",
    "I should be careful here: first read it again, then decide.",
    "Before I write it down I go over it once more.",
)


class Composer:
    """Turns requests into the bodies of their replies."""

    def __init__(self, options: Options) -> None:
        known = KnownQuestions()
        if options.truth:
            known = KnownQuestions.load(options.truth, options.question, options.gold)
        self._seed, self._reasoning, self._loses = options.seed, options.reasoning, options.rewrite_loses
        self._world, self._judge = World(options, known), Judge(options)

    def compose(self, asked: Asked) -> dict[str, Any]:
        if asked.kind in {"chat", "completions"}:
            return self._completion(asked)
        if asked.kind == "embeddings":
            return measures.embeddings(asked)
        return measures.rewards(asked, [self._reward(*pair, asked.body.model) for pair in asked.pairs])

    def _reward(self, task: str, response: str, model: str) -> float:
        draws = Draws(self._seed, "reward", model, task, response)
        prompt = f"{task}\n<response>{response}</response>" if task else response
        opinion = self._judge.opinion(prompt, self._world.questions(prompt), draws)
        return opinion.mark("reward", opinion.passes)

    def _completion(self, asked: Asked) -> dict[str, Any]:
        choices, completion, reasoning = [], 0, 0
        for index in range(asked.body.n):
            draws = Draws(self._seed, asked.digest, index)
            thoughts, words, finish = self._spoken(asked, draws)
            choices.append({"index": index, "finish_reason": finish, **self._shape(asked, thoughts, words, draws)})
            reasoning += len(thoughts)
            completion += len(thoughts) + len(words)
        kind, prefix = ("chat.completion", "chatcmpl-") if asked.kind == "chat" else ("text_completion", "cmpl-")
        usage: dict[str, Any] = {"prompt_tokens": asked.prompt_tokens, "completion_tokens": completion}
        usage["total_tokens"] = asked.prompt_tokens + completion
        if reasoning:
            usage["completion_tokens_details"] = {"reasoning_tokens": reasoning}
        head = {"id": prefix + asked.digest, "object": kind, "created": measures.CREATED, "model": asked.body.model}
        return {**head, "choices": choices, "usage": usage}

    def _spoken(self, asked: Asked, draws: Draws) -> tuple[list[str], list[str], str]:
        """Return the tokens of the trace and of the text, cut at `max_tokens` together, and why they end."""
        thoughts = tokens.split(draws.pick("thought", _THOUGHTS)) if self._reasoning != "off" else []
        words = tokens.split(self._say(asked, draws))
        whole = len(thoughts) + len(words)
        room = whole if asked.max_tokens is None else asked.max_tokens
        cut = thoughts[:room], words[: max(room - len(thoughts), 0)]
        return *cut, "stop" if whole <= room else "length"

    def _say(self, asked: Asked, draws: Draws) -> str:
        """Return a rewrite or a filled schema where one is asked for, else an answer to the last question.

        Before it stand examples. Questions are those of the last user message, or, where it has none, of all together.
        """
        if (rewritten := rewriting.said(asked.prompt, self._loses, draws)) is not None:
            return rewritten
        text, questions = asked.prompt, self._world.questions(asked.prompt)
        if not questions and asked.conversation != asked.prompt:
            text, questions = asked.conversation, self._world.questions(asked.conversation)
        last = questions[-1] if questions else None
        temperature = 1.0 if asked.body.temperature is None else asked.body.temperature

        def talk(own: Draws) -> str:
            return self._world.talk(asked.conversation, temperature, own)

        def answer(own: Draws) -> str:
            return self._world.answer(last, temperature, own) if last else talk(own)

        if wanted := asked.schema or from_example(asked.prompt):
            opinion = self._judge.opinion(text, questions, draws)
            hardness = self._world.hardness(last) if last else 0.5
            return orjson.dumps(Filling(opinion, answer, draws, wanted, hardness).fill(wanted)).decode()
        return self._world.solution(last, temperature, draws) if last else talk(draws)

    def _shape(self, asked: Asked, thoughts: list[str], words: list[str], draws: Draws) -> dict[str, Any]:
        trace, text = "".join(thoughts), "".join(words)
        if self._reasoning == "tags":  # a trace that was cut off has no end
            text = f"<think>\n{trace}\n</think>\n\n{text}" if text else f"<think>\n{trace}"
        logprobs = None if asked.top_logprobs is None else _logprobs(asked, words, draws)
        if asked.kind == "completions":
            return {"text": text, "logprobs": logprobs}
        message = {"role": "assistant", "content": text}
        if self._reasoning == "field":
            message["reasoning_content"] = trace
        return {"message": message, "logprobs": logprobs}


def _logprobs(asked: Asked, words: list[str], draws: Draws) -> dict[str, Any]:
    entries = tokens.logprobs(words, asked.top_logprobs or 0, draws)
    if asked.kind == "chat":
        return {"content": entries}
    return {
        "tokens": words,
        "token_logprobs": [entry["logprob"] for entry in entries],
        "top_logprobs": [{one["token"]: one["logprob"] for one in entry["top_logprobs"]} for entry in entries],
        "text_offset": list(accumulate(map(len, words), initial=0))[:-1],
    }
