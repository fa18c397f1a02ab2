"""What a steering does to one request, and how one response is taken where several came with their probabilities."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from stages.core.record import Message
from stages.core.steering import Steering
from stages.generate.plan import Slot
from stages.llm.formats import object_of, reply_format
from stages.llm.reading import objects
from stages.prompts.builtin import builtin
from stages.prompts.template import Template

RESPONSES = 5
"""As many are asked for at once as in arXiv 2510.01171."""
_HOTTEST = 2.0
_SERVERS_OWN = 1.0
"""What a temperature that is left to the server is taken for."""

Chance = Callable[[str], float]
"""A number in [0, 1) for one purpose, a candidate's own."""

_RESPONSE = object_of({"text": {"type": "string"}, "probability": {"type": "number"}})
_LIST = {"type": "array", "items": _RESPONSE, "minItems": RESPONSES, "maxItems": RESPONSES}
_FORMAT = reply_format("responses", {"responses": _LIST})


def temperature(slot: Slot, steering: Steering) -> float | None:
    """Return the temperature of a candidate; None leaves it to the server."""
    if not steering.warmer:
        return slot.temperature
    usual = _SERVERS_OWN if slot.temperature is None else slot.temperature
    return min(round(usual + steering.warmer, 3), max(_HOTTEST, usual))


def messages(asked: list[Message], steering: Steering, chance: Chance) -> list[Message]:
    """Return a candidate's messages with its persona in the system's turn, and the wish for several at their end."""
    if steering.personas:
        persona = steering.personas[int(chance("persona") * len(steering.personas))]
        first = asked[0]
        said = first["content"] if first.get("role") == "system" and isinstance(first["content"], str) else ""
        asked = [{"role": "system", "content": f"{said}\nYou are {persona}.".strip()}, *asked[bool(said) :]]
    if steering.verbalized:
        asked = [*asked[:-1], _with(asked[-1], _wish())]
    return asked


def body(steering: Steering, sampling: dict[str, Any], structured: bool) -> dict[str, Any]:
    """Return the sampling parameters of a request: several responses take several times the tokens."""
    if not steering.verbalized:
        return sampling
    sampling = {**sampling, "response_format": _FORMAT} if structured else dict(sampling)
    if "max_tokens" in sampling:
        sampling["max_tokens"] *= RESPONSES
    return sampling


def taken(text: str, place: float) -> str | None:
    """Return the response in which `place`, in [0, 1), falls by their probabilities; None where none can be read."""
    found = [one for one in objects(text) if isinstance(one.get("text"), str) and one["text"].strip()]
    weights = [_weight(one.get("probability")) for one in found]
    if not all(weights):
        weights = [1.0] * len(found)
    place *= sum(weights)
    for one, weight in zip(found, weights, strict=True):
        place -= weight
        if place < 0:
            return str(one["text"])
    return str(found[-1]["text"]) if found else None


def _weight(probability: object) -> float:
    return max(float(probability), 0.0) if isinstance(probability, int | float) else 0.0


def _with(message: Message, wish: str) -> Message:
    content = message["content"]
    if isinstance(content, str):
        return {**message, "content": f"{content}\n\n{wish}"}
    return {**message, "content": [*content, {"type": "text", "text": wish}]}


@cache
def _wish() -> str:
    return Template(builtin("verbalized")).render({"responses": RESPONSES}).strip()
