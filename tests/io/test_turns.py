"""How a sample becomes a conversation."""

from __future__ import annotations

from typing import Any

import pytest
from stored_groups import accepted, group

from stages.core.record import Message
from stages.io.exports.format import Reasoning, Turns

SENT = [{"role": "system", "content": "You are a tutor."}, {"role": "user", "content": "Solve step by step: 1 + 1"}]
ASKED = [
    {"role": "user", "content": "first"},
    {"role": "assistant", "content": "x"},
    {"role": "user", "content": "then"},
]
ENDS_ANSWERED = ASKED[:2]

PROMPTS = [
    ("{{ question }}", ASKED, SENT, [{"role": "user", "content": "What is 1 + 1?"}]),
    (None, ASKED, SENT, ASKED),
    (None, ENDS_ANSWERED, SENT, SENT),
    (None, None, SENT, SENT),
    (None, ENDS_ANSWERED, None, ENDS_ANSWERED),
    (None, None, None, []),
]


@pytest.mark.parametrize(("template", "messages", "sent", "prompt"), PROMPTS)
def test_the_prompt_is_the_outputs_then_the_seeds_then_what_was_sent(
    template: str | None, messages: list[Message] | None, sent: list[Message] | None, prompt: list[Message]
) -> None:
    made = group(1, accepted(prompt=sent))
    made.seed.messages = messages
    assert Turns(template).prompt(made, made.candidates[0]) == prompt


ANSWERS = [
    ("field", {"content": "4", "reasoning_content": "2 and 2"}),
    ("think_tags", {"content": "<think>\n2 and 2\n</think>\n\n4"}),
    ("drop", {"content": "4"}),
]


@pytest.mark.parametrize(("reasoning", "answer"), ANSWERS)
def test_a_reasoning_trace_is_a_field_tags_or_nothing(reasoning: Reasoning, answer: dict[str, Any]) -> None:
    assert Turns(reasoning=reasoning).answer(accepted("4", reasoning="2 and 2")) == {"role": "assistant", **answer}
    assert Turns(reasoning=reasoning).answer(accepted("4")) == {"role": "assistant", "content": "4"}


def test_tool_calls_are_kept() -> None:
    calls = [{"id": "1", "function": {"name": "f"}}]
    assert Turns().answer(accepted("", tool_calls=calls)) == {"role": "assistant", "content": "", "tool_calls": calls}
