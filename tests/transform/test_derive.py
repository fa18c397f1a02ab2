"""Rows become questions, conversations, instructions and objects: as candidates, or as rows of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from decisions import MadeDecisions
from memory_store import Memory
from scripted_model import Answer, ScriptedModel

from config.schema import Generate, Transform
from stages.core.base import Emit, Outcome
from stages.core.record import Group, Seed
from stages.llm.protocol import Call, Choice
from stages.pipeline import Pipeline, Sizes
from stages.registry import Tools, build

TEXT = "The tamis is a drum sieve.\nIts mesh is “very fine”,  and cooks push a sauce through it. It has 2 parts."
ASKED = {"question": "What is a tamis?", "evidence": "is a drum sieve", "answer": "A drum sieve."}
FINE = {"question": "How fine?", "evidence": 'mesh is "very fine", and cooks', "answer": "Very fine."}
MADE_UP = {"question": "Who made it?", "evidence": "It was made by monks.", "answer": "Monks."}


def items(*said: dict[str, Any]) -> str:
    return orjson.dumps({"items": said}).decode()


async def derived(
    answer: Any, row: dict[str, Any] | None = None, **config: Any
) -> tuple[Group, Outcome, ScriptedModel]:
    model = ScriptedModel(answer)
    given = {"kind": "convert", "endpoint": "main", "column": "text", "per_input": 9, **config}
    stage_config = Transform.model_validate(given)
    (stage,) = build([stage_config], Tools({"main": model}, None, 7))  # type: ignore[arg-type]
    group = Group(Seed(1, "s", {"id": "s", "text": TEXT} if row is None else row, topic="cooking"))
    await stage.start()
    try:
        return group, await stage.process(group), model
    finally:
        await stage.stop()


async def test_a_quotation_becomes_the_sources_own_words_and_one_that_is_none_is_rejected() -> None:
    group, outcome, model = await derived([items(ASKED, FINE, MADE_UP)], to="qa", evidence="span")
    assert outcome is None
    one, two, three = group.candidates
    assert [c.origin for c in group.candidates] == ["derived"] * 3
    assert (one.prompt, one.text) == ([{"role": "user", "content": "What is a tamis?"}], "A drum sieve.")
    assert two.fields["evidence"] == "mesh is “very fine”,  and cooks"
    for candidate in (one, two):
        assert (
            TEXT[candidate.fields["evidence_start"] : candidate.fields["evidence_end"]] == candidate.fields["evidence"]
        )
    assert (three.state, three.reason) == ("rejected", "ungrounded")
    assert one.lineage == {"endpoint": "main", "model": "scripted-model", "transforms": ["transform"]}
    schema = model.calls[0].body["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["items"]["items"]["required"] == ["question", "evidence", "answer"]


async def test_with_sentences_to_pick_from_the_reply_can_quote_nothing_else() -> None:
    asked = {"evidence": "It has 2 parts.", "question": "How many parts?", "answer": "2."}
    group, _, model = await derived([items(asked, MADE_UP)], to="qa", evidence="sentence")
    (item,) = [model.calls[0].body["response_format"]["json_schema"]["schema"]["properties"]["items"]["items"]]
    assert item["required"] == list(item["properties"]) == ["evidence", "question", "answer"]
    assert item["properties"]["evidence"]["enum"] == [
        "The tamis is a drum sieve.",
        "Its mesh is “very fine”, and cooks push a sauce through it.",
        "It has 2 parts.",
    ]
    assert [(c.state, c.fields["evidence"]) for c in group.candidates] == [
        ("live", "It has 2 parts."),
        ("rejected", None),
    ]
    _, _, model = await derived(
        [items(asked)], {"text": "One. " + "Two. ".join(map(str, range(300)))}, to="qa", evidence="sentence"
    )
    long = model.calls[0].body["response_format"]["json_schema"]["schema"]["properties"]["items"]["items"]
    assert "enum" not in long["properties"]["evidence"]


async def test_emitted_the_good_ones_are_children_with_new_columns_and_the_others_stay_behind() -> None:
    group, outcome, _ = await derived([items(ASKED, MADE_UP, FINE)], to="qa", evidence="span", emit="seeds")
    assert isinstance(outcome, Emit)
    first, second = outcome.seeds
    assert (first.parent_id, first.root, second.id, first.topic) == ("s", "s", "s.1", "cooking")
    assert first.row == {
        **{"id": "s", "text": TEXT, "question": "What is a tamis?", "answer": "A drum sieve."},
        **{"evidence": "is a drum sieve", "evidence_start": 10, "evidence_end": 25},
    }
    assert [(c.state, c.reason) for c in group.candidates] == [("rejected", "ungrounded")]


CHAT = [{"role": "user", "content": "What is it?"}, {"role": "assistant", "content": "A sieve."}]


@pytest.mark.parametrize(
    ("config", "said", "prompt", "text", "columns"),
    [
        ({"to": "qa"}, {"question": "Q", "answer": "A"}, "Q", "A", {"question": "Q", "answer": "A"}),
        ({"to": "chat"}, {"messages": CHAT}, "What is it?", "A sieve.", {"messages": CHAT}),
        (
            {"to": "instruction"},
            {"instruction": "Do", "response": "Done"},
            *("Do", "Done", {"instruction": "Do", "response": "Done"}),
        ),
        ({"kind": "backtranslate"}, {"instruction": "Do"}, "Do", TEXT, {"instruction": "Do", "response": TEXT}),
        (
            {"to": "schema", "schema": {"type": "object", "properties": {"parts": {"type": "integer"}}}},
            {"parts": 2},
            *(None, '{"parts":2}', {"parts": 2}),
        ),
    ],
)
async def test_every_shape_is_a_candidate_or_a_row(
    config: dict[str, Any], said: dict[str, Any], prompt: str | None, text: str, columns: dict[str, Any]
) -> None:
    group, _, model = await derived([items(said)], **config)
    (one,) = group.candidates
    assert (one.state, one.text) == ("live", text)
    sent = model.calls[0].body["messages"]
    assert one.prompt == (sent if prompt is None else [{"role": "user", "content": prompt}])
    assert TEXT in sent[0]["content"]
    _, outcome, _ = await derived([items(said)], **config, emit="seeds")
    assert isinstance(outcome, Emit)
    (seed,) = outcome.seeds
    assert seed.row == {"id": "s", "text": TEXT, **columns}
    assert seed.messages == (CHAT[:1] if config.get("to") == "chat" else None)


async def test_an_object_that_the_schema_refuses_falls() -> None:
    schema = {"type": "object", "properties": {"parts": {"type": "integer"}}}
    group, _, _ = await derived([items({"parts": "two"}, {"parts": 2})], to="schema", schema=schema)
    assert [(c.state, c.reason) for c in group.candidates] == [("rejected", "schema"), ("live", "")]


async def test_an_answer_that_the_text_does_not_support_falls() -> None:
    said = [{"question": "How many parts?", "answer": answer} for answer in ("It has 3 parts.", "It has 2 parts.")]
    group, _, _ = await derived([items(*said)], to="qa", gate={"grounded": True})
    assert [(c.state, c.reason) for c in group.candidates] == [("rejected", "ungrounded"), ("live", "")]


WHOLE = items(ASKED, FINE)


@pytest.mark.parametrize(
    ("replies", "made", "reason"),
    [
        ([f"Sure! ```json\n{WHOLE}\n```"], 2, ""),
        ([WHOLE[1:-1].partition(":")[2]], 2, ""),
        ([Choice(WHOLE[:-30], "length")], 1, ""),
        ([items(ASKED, {"question": "no answer"})], 1, ""),
        (["I would rather not.", WHOLE], 2, ""),
        (["I would rather not.", "No."], 0, "unreadable"),
        ([Choice(WHOLE[:40], "length")], 0, "truncated"),
        ([items()], 0, "empty"),
    ],
)
async def test_replies_are_read_as_far_as_they_are_whole(replies: list[Answer], made: int, reason: str) -> None:
    group, _, _ = await derived(replies, to="qa", evidence="span")
    assert sum(c.state == "live" for c in group.candidates) == made
    if reason:
        assert [(c.state, c.reason) for c in group.candidates] == [("failed", reason)]


@pytest.mark.parametrize(
    "turns",
    [CHAT[:1], CHAT[1:], [*CHAT, {"role": "user", "content": "And?"}], [{"role": "tool", "content": "x"}, *CHAT], "x"],
)
async def test_a_conversation_without_an_answer_at_its_end_is_none(turns: Any) -> None:
    group, _, _ = await derived([items({"messages": turns})] * 2, to="chat")
    assert [(c.state, c.reason) for c in group.candidates] == [("failed", "unreadable")]


async def test_no_more_come_of_a_row_than_are_asked_for() -> None:
    group, _, _ = await derived([items(ASKED, FINE, ASKED)], to="qa", per_input=2)
    assert len(group.candidates) == 2


@pytest.mark.parametrize("row", [{"id": "s"}, {"id": "s", "text": " "}, {"id": "s", "text": 5}])
async def test_a_row_without_a_text_asks_nobody_and_says_so(row: dict[str, Any]) -> None:
    group, outcome, model = await derived([], row, to="qa")
    assert outcome == Emit(())
    assert group.failure == 'the column "text" holds no text'
    assert not model.calls


def other(call: Call) -> Answer:
    return Choice("", "length") if call.part == "broaden" else f"{call.part} {call.sample}"


async def test_variations_replace_the_column_in_every_way_by_turns() -> None:
    config = {"kind": "augment", "emit": "seeds", "ways": ["paraphrase", "deepen"], "per_input": None}
    _, outcome, model = await derived(other, **config)
    assert isinstance(outcome, Emit)
    assert [seed.row["text"] for seed in outcome.seeds] == ["paraphrase 0", "deepen 1"]
    assert len({call.body["messages"][0]["content"] for call in model.calls}) == 2
    _, outcome, _ = await derived(other, **config | {"per_input": 1})
    assert isinstance(outcome, Emit)
    assert [seed.row["text"] for seed in outcome.seeds] == ["deepen 0"], "the second row begins with the second way"


@pytest.mark.parametrize(
    ("config", "rows"),
    [
        ({"ways": ["paraphrase"]}, ["paraphrase 0"]),
        ({"ways": ["paraphrase"], "keep": "both"}, [TEXT, "paraphrase 0"]),
        ({"ways": ["broaden"]}, [TEXT]),
        ({"ways": ["broaden"], "on_failure": "drop"}, []),
        ({"ways": ["paraphrase"], "gate": {"min_length_ratio": 1}}, [TEXT]),
    ],
)
async def test_a_row_itself_goes_on_beside_its_variations_or_where_there_are_none(
    config: dict[str, Any], rows: list[str]
) -> None:
    _, outcome, _ = await derived(other, **{"kind": "augment", "emit": "seeds", "per_input": None, **config})
    assert isinstance(outcome, Emit)
    assert [seed.row["text"] for seed in outcome.seeds] == rows


async def test_children_are_generated_for_and_a_row_that_gave_none_is_not() -> None:
    """Nothing stands in the column that the prompt wants: such a row ends unsolved, with why."""

    def said(call: Call) -> Answer:
        if call.stage == "generate":
            return f"Answer to {call.group.seed.row['question']}"
        return items(MADE_UP) if call.group.seed.id == "empty" else items(ASKED, FINE)

    convert = Transform(
        kind="convert", to="qa", evidence="span", endpoint="main", column="text", per_input=9, emit="seeds"
    )
    generate = Generate(endpoint={"main": 1}, prompts=("{{ question }}",))
    store = Memory()
    tools = Tools({"main": ScriptedModel(said)}, MadeDecisions(), 7)
    pipeline = Pipeline(build([convert, generate], tools), store, Sizes(4, 4, 4))

    async def groups() -> AsyncIterator[Group]:
        for no, name in enumerate(("full", "empty")):
            yield Group(Seed(no, name, {"text": TEXT}))

    await pipeline.run(groups())
    states = {
        group.seed.id: (state, [c.text or c.reason for c in group.candidates])
        for state, group, _ in store.settled.values()
    }
    assert states == {
        "full": ("expanded", []),
        "full.0": ("solved", ["Answer to What is a tamis?"]),
        "full.1": ("solved", ["Answer to How fine?"]),
        "empty": ("unsolved", ["Monks."]),
    }
