from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from scripted_model import Answer, ScriptedModel

from stages.core.errors import CandidateError, InputError
from stages.judge import expand as expanding
from stages.judge.constitution import Constitution, load_constitution
from stages.judge.expand import KINDS, expand, read_items
from stages.llm.protocol import Call, Choice

SHIPPED = sorted((Path(expanding.__file__).parent / "constitutions").glob("*.yaml"))


def constitution(**lists: list[str]) -> Constitution:
    principles = [{"id": "kind", "text": "The answer is kind.", "applies_if": "it speaks to a person", **lists}]
    return Constitution.model_validate({"principles": principles})


def items(*texts: str) -> str:
    return json.dumps({"items": texts})


async def test_every_empty_list_is_filled_and_what_a_person_wrote_stays() -> None:
    model = ScriptedModel(lambda call: items(f"about {call.part}"))
    draft = await expand(constitution(eliminate=["It scolds."], axis=["How kind it is."]), model)
    (principle,) = draft.constitution.principles
    assert (principle.eliminate, principle.axis) == (("It scolds.",), ("How kind it is.",))
    assert (principle.critique, principle.compare, principle.revise) == (
        ("about critique",),
        ("about compare",),
        ("about revise",),
    )
    assert (draft.filled, draft.empty, len(model.calls)) == (3, (), 3)


async def test_the_model_sees_the_principle_and_what_is_wanted_of_it() -> None:
    model = ScriptedModel(lambda _: items("x"))
    await expand(constitution(), model)
    prompts = {call.part: call.body["messages"][0]["content"] for call in model.calls}
    assert set(prompts) == set(KINDS)
    assert all("The answer is kind." in text and "it speaks to a person" in text for text in prompts.values())
    assert "Which sentences must be read twice" in prompts["critique"]
    assert "lowest where" in prompts["axis"]
    assert len(set(prompts.values())) == 5


async def test_a_server_with_schemas_is_held_to_one() -> None:
    for structured in (True, False):
        model = ScriptedModel(lambda _: items("x"), structured=structured)
        await expand(constitution(), model)
        assert all(("response_format" in call.body) is structured for call in model.calls)


async def test_no_more_sentences_are_taken_than_were_asked_for() -> None:
    draft = await expand(constitution(), ScriptedModel(lambda _: items("a", "b", "c", "d")))
    (principle,) = draft.constitution.principles
    assert (principle.critique, principle.axis) == (("a", "b", "c"), ("a",))


def failing_for(kind: str, with_: Answer) -> Callable[[Call], Answer]:
    return lambda call: with_ if call.part.startswith(kind) else items("x")


async def test_what_cannot_be_read_is_asked_once_more_and_then_left_empty_with_the_reason() -> None:
    model = ScriptedModel(failing_for("revise", "I would rather not."))
    draft = await expand(constitution(), model)
    assert draft.constitution.principles[0].revise == ()
    assert draft.filled == 4
    assert draft.empty == ('kind.revise: asked twice, scripted last said "I would rather not."',)
    first, again = (call for call in model.calls if call.part.startswith("revise"))
    assert first.part != again.part
    assert [turn["role"] for turn in again.body["messages"]] == ["user", "assistant", "user"]


async def test_a_request_that_is_refused_leaves_its_list_empty_with_the_provider_s_words() -> None:
    model = ScriptedModel(failing_for("axis", CandidateError("invalid", "unknown parameter")))
    assert (await expand(constitution(), model)).empty == ("kind.axis: unknown parameter",)


async def test_a_model_of_which_nothing_comes_is_told_and_not_a_copy_written() -> None:
    with pytest.raises(InputError, match=r"kind\.critique: asked twice"):
        await expand(constitution(), ScriptedModel(lambda _: "no"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"items": ["a b", "c"]}', ("a b", "c")),
        ('Here you are [as asked]:\n```json\n{"items": ["a"]}\n```', ("a",)),
        ('["a", "a",  "b\\n c", " "]', ("a", "b c")),
        ("1. a [b] c\n2) d\n\nThat is all.", ("a [b] c", "d")),
        ("- a\n* b", ("a", "b")),
        ('{"items": []}', ()),
        ('{"items": [1, 2]}', ()),
        ("a sentence", ()),
        ("", ()),
    ],
)
def test_sentences_are_read_however_they_were_listed(text: str, found: tuple[str, ...]) -> None:
    assert read_items(Choice(text)) == found


def test_a_list_that_was_cut_off_is_not_taken_for_whole() -> None:
    assert read_items(Choice('{"items": ["a", "b', "length")) == ()
    assert read_items(Choice("- a\n- b and th", "length")) == ()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_what_comes_with_tamis_leaves_nothing_to_expand(path: Path) -> None:
    """Every list is written, with criteria and questions of its own: a text that stands twice says nothing twice."""
    principles = load_constitution(path).principles
    texts = [text for one in principles for kind in (*KINDS, "examples") for text in getattr(one, kind)]
    assert all(getattr(one, kind) for one in principles for kind in (*KINDS, "examples"))
    assert len(texts) == len(set(texts))
    assert all(text.endswith((".", "?")) for one in principles for kind in KINDS for text in getattr(one, kind))
    assert not any(one.applies_if.endswith(".") for one in principles)


def test_two_constitutions_come_with_tamis() -> None:
    assert [path.stem for path in SHIPPED] == ["helpful-honest-harmless", "mathematics-tutor"]
