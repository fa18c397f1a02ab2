"""Composes the reply to a request: what is said, how much of it fits, and OpenAI's shape around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from service.simulator import tokens
from service.simulator.asked import Asked
from service.simulator.draws import Draws
from service.simulator.judge import Judge
from service.simulator.options import Reasoning
from service.simulator.schema import Filling, Schema, from_example
from service.simulator.world import Question, World

_CREATED = 1_700_000_000
"""A constant: the same body is to get the same bytes on any day."""
_REMARKS = (
    "That is an interesting request, and there is more than one good way to look at it.",
    "The main point can be said in a few words, and the rest follows from it.",
    "It helps to begin with what is known, and to add one thing at a time.",
    "A short example makes this plain, and a longer one would not add much.",
    "There are exceptions to this, but they are rare enough to be left aside here.",
    "What matters most is that each part can be checked by the person who reads it.",
    "Seen from the other side, the same facts would support a more careful claim.",
    "In practice people settle on whatever is simplest and still does the work.",
)
_THOUGHTS = (
    "The request is clear enough; let me check what it asks before I answer.",
    "I should be careful here: first read it again, then decide.",
    "One way is to take it apart and look at each piece.",
    "Before I write it down I go over it once more.",
)


@dataclass(frozen=True, slots=True)
class Composed:
    """A reply's body and the tokens it took."""

    body: bytes
    total_tokens: int


class Composer:
    """Turns a request into the bytes of its reply, a function of the seed and the request alone."""

    def __init__(self, seed: int, world: World, judge: Judge, reasoning: Reasoning) -> None:
        self._seed, self._world, self._judge, self._reasoning = seed, world, judge, reasoning

    def compose(self, asked: Asked) -> Composed:
        text = asked.prompt
        questions = list(self._world.questions(text))
        if not questions and asked.conversation != text:
            text = asked.conversation
            questions = list(self._world.questions(text))
        wanted = asked.schema or from_example(asked.prompt)
        choices, completion, reasoning = [], 0, 0
        for index in range(asked.n):
            draws = Draws(self._seed, asked.digest, index)
            if wanted:
                said = self._fill(wanted, asked, text, questions, draws)
            else:
                said = self._answer(asked, questions, draws)
            choice, thought, spoken = self._choice(asked, index, said, draws)
            choices.append(choice)
            reasoning += thought
            completion += thought + spoken
        total = asked.prompt_tokens + completion
        usage: dict[str, Any] = {"prompt_tokens": asked.prompt_tokens, "completion_tokens": completion}
        usage["total_tokens"] = total
        if reasoning:
            usage["completion_tokens_details"] = {"reasoning_tokens": reasoning}
        kind, prefix = ("chat.completion", "chatcmpl-") if asked.chat else ("text_completion", "cmpl-")
        head = {"id": prefix + asked.digest, "object": kind, "created": _CREATED, "model": asked.model}
        return Composed(orjson.dumps({**head, "choices": choices, "usage": usage}), total)

    def _answer(self, asked: Asked, questions: list[Question], draws: Draws) -> str:
        """Answer the last question of the prompt: examples stand before it. Without one, make conversation."""
        if not questions:
            return " ".join(draws.pick(f"remark {i}", _REMARKS) for i in range(2 + int(draws.uniform("length") * 4)))
        answer = self._world.answer(questions[-1], asked.temperature, draws)
        return self._world.solution(questions[-1], answer, draws)

    def _fill(self, wanted: Schema, asked: Asked, text: str, questions: list[Question], draws: Draws) -> str:
        def answer(own: Draws) -> str:
            if not questions:
                return self._answer(asked, [], own)
            return self._world.answer(questions[-1], asked.temperature, own)

        verdict = self._judge.verdict(text, questions, draws)
        return orjson.dumps(Filling(verdict, answer, draws, wanted).fill(wanted)).decode()

    def _choice(self, asked: Asked, index: int, said: str, draws: Draws) -> tuple[dict[str, Any], int, int]:
        """Return one choice, and the tokens of its reasoning and of its text, cut at `max_tokens` together."""
        thoughts = tokens.split(draws.pick("thought", _THOUGHTS)) if self._reasoning != "off" else []
        words = tokens.split(said)
        room = asked.max_tokens if asked.max_tokens is not None else len(thoughts) + len(words)
        finish = "length" if len(thoughts) + len(words) > room else "stop"
        closed = len(thoughts) <= room
        thoughts, words = thoughts[:room], words[: max(room - len(thoughts), 0)]
        thought, text = "".join(thoughts), "".join(words)
        if self._reasoning == "tags":
            text = f"<think>\n{thought}\n</think>\n\n{text}" if closed else f"<think>\n{thought}"
        choice: dict[str, Any] = {"index": index, "finish_reason": finish, "logprobs": None}
        if asked.chat:
            choice["message"] = {"role": "assistant", "content": text}
            if self._reasoning == "field":
                choice["message"]["reasoning_content"] = thought
        else:
            choice["text"] = text
        if asked.top_logprobs is not None:
            choice["logprobs"] = _logprobs(asked, words, draws)
        return choice, len(thoughts), len(words)


def _logprobs(asked: Asked, words: list[str], draws: Draws) -> dict[str, Any]:
    entries = tokens.logprobs(words, asked.top_logprobs or 0, draws)
    if asked.chat:
        return {"content": entries}
    offsets = [sum(map(len, words[:i])) for i in range(len(words))]
    return {
        "tokens": words,
        "token_logprobs": [entry["logprob"] for entry in entries],
        "top_logprobs": [{one["token"]: one["logprob"] for one in entry["top_logprobs"]} for entry in entries],
        "text_offset": offsets,
    }
