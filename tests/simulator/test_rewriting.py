"""The prompts of transforms are understood, and the truth of what is answered is known."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from service.simulator.judge import is_right
from service.simulator.options import Options
from stages.prompts.builtin import builtin
from stages.prompts.template import Template

RESPONSE = "Let us see.\nFirst, calculate 12 + 30 = 42.\nThe answer is 42."
DOCUMENT = "A tamis is a sieve. Cooks use it.\nIt is fine!"


async def said(simulated: Any, name: str, loses: float = 0.0, **scope: Any) -> str:
    principles = [{"id": "kind", "text": "It is kind.", "critique": [], "revise": [], "applies_if": ""}]
    seen = {"task": "What is 12 + 30?", "response": RESPONSE, "document": DOCUMENT, "principles": principles}
    seen |= {"style": "Plain.", "critique": "It is unkind.", "per_input": 2, "evidence": None, **scope}
    async with simulated(Options(rewrite_loses=loses)) as endpoint:
        text: str = (await endpoint.ask(Template(builtin(name)).render(seen))).text
        return text


@pytest.mark.parametrize("name", ["succinct", "restyle", "expand_steps", "revise"])
async def test_a_rewrite_keeps_the_answer_or_loses_it(simulated: Any, name: str) -> None:
    kept = await said(simulated, name)
    assert kept != RESPONSE
    assert is_right(kept, "42")
    assert (len(kept) < len(RESPONSE)) == (name == "succinct")
    assert not is_right(await said(simulated, name, loses=1.0), "42")


async def test_a_critique_is_one(simulated: Any) -> None:
    assert "The response could" in await said(simulated, "critique")


@pytest.mark.parametrize("way", ["paraphrase", "perspective", "constraints", "deepen", "broaden"])
async def test_a_variation_holds_the_task(simulated: Any, way: str) -> None:
    text = await said(simulated, "augment", document="What is 12 + 30?", way=way)
    assert text.endswith("What is 12 + 30?")
    assert text != "What is 12 + 30?"


async def items(simulated: Any, name: str, **scope: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = orjson.loads(await said(simulated, name, **scope))["items"]
    return found


async def test_questions_quote_the_document_or_make_a_quotation_up(simulated: Any) -> None:
    first, second = await items(simulated, "convert_qa", evidence="span")
    assert (first["evidence"], first["answer"]) == ("A tamis is a sieve.", "A tamis is a sieve.")
    assert second["evidence"] in DOCUMENT
    assert all(
        one["evidence"] not in DOCUMENT for one in await items(simulated, "convert_qa", evidence="span", loses=1.0)
    )
    assert set((await items(simulated, "convert_qa"))[0]) == {"question", "answer"}


async def test_every_other_shape_has_its_keys(simulated: Any) -> None:
    (chat, _) = await items(simulated, "convert_chat")
    assert [turn["role"] for turn in chat["messages"]] == ["user", "assistant"]
    assert set((await items(simulated, "convert_instruction", per_input=1))[0]) == {"instruction", "response"}
    assert "instruction" in (await items(simulated, "backtranslate", per_input=1))[0]


async def test_two_texts_say_the_same_or_not(simulated: Any) -> None:
    honest = Options(sensitivity=1, specificity=1)
    async with simulated(honest) as endpoint:
        for second, same in ((RESPONSE[12:], True), ("The answer is 43.", False)):
            prompt = Template(builtin("same_meaning")).render({"first": RESPONSE, "second": second})
            assert orjson.loads((await endpoint.ask(prompt)).text)["same"] is same
