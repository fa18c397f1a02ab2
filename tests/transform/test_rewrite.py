"""Responses are rewritten, and nothing that does not pass the gates takes their place."""

from __future__ import annotations

from typing import Any

import pytest
from scripted_model import Answer, ScriptedModel

from config.schema import Transform
from stages.core.errors import CandidateError
from stages.core.events import CandidatesMade, VerdictGiven
from stages.core.record import Candidate, Group, Seed
from stages.llm.protocol import Call, Choice
from stages.prompts.builtin import builtin
from stages.registry import Tools, build

LONG = "First, 6 * 7 is 42, as everybody who went to school knows.\nThe answer is 42."
SAME = {"same_answer": True, "extract": "numeric"}


async def transformed(
    answer: Any, *texts: str, judge: Answer = '{"reason": "", "same": true}', observe: Any = None, **config: Any
) -> tuple[Group, ScriptedModel]:
    """Run a transform stage, as the registry builds it, over a group of these candidates."""
    model = ScriptedModel(answer)
    stage_config = Transform.model_validate({"kind": "succinct", "endpoint": "main", **config})
    tools = Tools({"main": model, "judge": ScriptedModel(lambda call: judge)}, None, 7, observe=observe)  # type: ignore[arg-type]
    (stage,) = build([stage_config], tools)
    group = Group(Seed(0, "s", {"question": "What is 6 * 7?"}), [Candidate(n, text) for n, text in enumerate(texts)])
    await stage.start()
    try:
        assert await stage.process(group) is None
    finally:
        await stage.stop()
    return group, model


async def test_a_rewrite_stands_in_the_place_of_the_response_which_the_verdict_keeps() -> None:
    group, model = await transformed(["6 * 7 = 42."], LONG)
    (one,) = group.candidates
    assert (one.text, one.state, one.origin) == ("6 * 7 = 42.", "live", "generated")
    assert one.lineage["transforms"] == ["transform"]
    assert one.verdicts["transform"].as_dict() == {"passed": True, "before": LONG}
    (call,) = model.calls
    prompt = call.body["messages"][0]["content"]
    assert "What is 6 * 7?" in prompt
    assert LONG in prompt


async def test_beside_it_the_rewrite_is_a_candidate_of_its_own_and_the_gate_judges_that_one() -> None:
    seen: list[object] = []
    replies = ["6 * 7 = 42.", "Nobody knows.\nReally."]
    group, _ = await transformed(replies, LONG, LONG, keep="both", gate=SAME, observe=seen.append)
    assert [(c.state, c.origin, c.reason) for c in group.candidates] == [
        ("live", "generated", ""),
        ("live", "generated", ""),
        ("live", "derived", ""),
        ("rejected", "derived", "answer_lost"),
    ]
    assert [c.lineage.get("from") for c in group.candidates] == [None, None, 0, 1]
    assert [c.n for c in group.candidates] == [0, 1, 2, 3]
    assert CandidatesMade("transform", "derived", 2) in seen


@pytest.mark.parametrize(
    ("gate", "rewrite", "reason"),
    [
        ({"max_length_ratio": 0.5}, "6 * 7 = 42" + ", really" * 5, "too_long"),
        ({"min_length_ratio": 0.5}, "It is 42.", "too_short"),
        ({"keeps": "numbers"}, "The answer is 42.", "numbers_lost"),
        ({"language": "same"}, "Zuerst rechnet man sechs mal sieben. Die Antwort ist also 42.", "other_language"),
        (SAME, "It is known to everybody.", "answer_lost"),
        (SAME, "First, 6 * 7 is 43.\nThe answer is 43.", "answer_changed"),
        ({"grounded": True}, "The answer is 42, says Adams.", "ungrounded"),
        ({"schema": {"type": "object"}}, "42", "schema"),
        ({"schema": {"type": "object"}}, "forty-two", "invalid_json"),
    ],
)
async def test_each_gate_keeps_the_original_for_its_own_reason_or_drops_it(
    gate: dict[str, Any], rewrite: str, reason: str
) -> None:
    seen: list[object] = []
    group, _ = await transformed([rewrite], LONG, gate=gate, observe=seen.append)
    (kept,) = group.candidates
    assert (kept.text, kept.state) == (LONG, "live")
    verdict = kept.verdicts["transform"]
    assert (verdict.passed, verdict.reason, verdict.data["rewrite"]) == (True, reason, rewrite)
    assert seen == [VerdictGiven("transform", "marked", reason)]
    group, _ = await transformed([rewrite], LONG, gate=gate, on_failure="drop")
    (dropped,) = group.candidates
    assert (dropped.state, dropped.reason, dropped.text) == ("rejected", reason, LONG)


async def test_what_keeps_everything_passes_every_gate_and_only_then_is_a_model_asked() -> None:
    gate = {
        **SAME,
        **{"max_length_ratio": 1, "min_length_ratio": 0.1, "keeps": ["numbers", "names"]},
        **{"language": "same", "grounded": True, "equivalent": {"endpoint": "judge"}},
    }
    rewrite = "First, 6 * 7 is 42. The answer is 42."
    group, _ = await transformed([rewrite], LONG, gate=gate)
    assert group.candidates[0].text == rewrite
    no = '{"reason": "the school is missing", "same": false}'
    group, _ = await transformed([rewrite], LONG, gate=gate, judge=no)
    verdict = group.candidates[0].verdicts["transform"]
    assert (verdict.reason, verdict.detail) == ("not_equivalent", "the school is missing")
    group, _ = await transformed(["too long " * 50], LONG, gate=gate, judge=LookupError("nobody was to be asked"))
    assert group.candidates[0].verdicts["transform"].reason == "too_long"


async def test_an_original_without_an_answer_has_none_that_could_be_kept() -> None:
    group, _ = await transformed(["It is 42."], "It is so.\nReally.", gate=SAME)
    assert group.candidates[0].verdicts["transform"].reason == "no_answer"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Choice("6 * 7 = ", "length"), "truncated"),
        (Choice("  "), "empty"),
        (CandidateError("context_length", "too long for the model"), "context_length"),
    ],
)
async def test_without_a_rewrite_the_original_stays_or_fails_and_its_siblings_go_on(
    answer: Answer, reason: str
) -> None:
    def said(call: Call) -> Answer:
        return answer if call.sample == 0 else "6 * 7 = 42."

    group, _ = await transformed(said, LONG, LONG)
    assert [c.text for c in group.candidates] == [LONG, "6 * 7 = 42."]
    assert group.candidates[0].verdicts["transform"].reason == reason
    group, _ = await transformed(said, LONG, LONG, on_failure="drop")
    assert [(c.state, c.reason) for c in group.candidates] == [("failed", reason), ("live", "")]


async def test_what_was_transformed_in_an_earlier_wave_is_left_alone() -> None:
    group, model = await transformed(["6 * 7 = 42."], LONG, keep="both")
    stage_config = Transform(kind="succinct", endpoint="main", keep="both")
    (stage,) = build([stage_config], Tools({"main": model}, None, 7))  # type: ignore[arg-type]
    await stage.process(group)
    assert len(model.calls) == 1
    assert len(group.candidates) == 2


async def test_tags_that_a_model_repeats_around_the_rewrite_are_no_part_of_it() -> None:
    group, _ = await transformed(["<response>\n6 * 7 = 42.\n</response>"], LONG)
    assert group.candidates[0].text == "6 * 7 = 42."


async def test_a_style_and_a_prompt_of_ones_own_see_columns_and_candidate() -> None:
    _, model = await transformed(["x"], LONG, kind="restyle", style="As for {{ row.question }}")
    assert "<style>\nAs for What is 6 * 7?\n</style>" in model.calls[0].body["messages"][0]["content"]
    _, model = await transformed(["x"], "So.", kind="custom", prompt="{{ task }} | {{ response }} | {{ question }}")
    assert model.calls[0].body["messages"][0]["content"].endswith(" | So. | What is 6 * 7?")


CONSTITUTION = """\
principles:
  - {id: kind, text: It is kind., critique: ['Where is it unkind?'], revise: [Be kind.]}
  - {id: short, text: It is short., applies_if: the question is short}
  - {id: sober, text: It is sober.}
"""


async def test_each_round_criticises_by_drawn_principles_and_revises_by_the_critique(tmp_path: Any) -> None:
    path = tmp_path / "constitution.yaml"
    path.write_text(CONSTITUTION)

    def said(call: Call) -> Answer:
        return f"{call.purpose} {call.part}"

    config = {"kind": "critique_revise", "constitution": str(path), "rounds": 2}
    group, model = await transformed(said, LONG, **config)
    one = group.candidates[0]
    assert one.text == "revise round 1"
    assert one.verdicts["transform"].data["critiques"] == [
        {"principles": ["kind", "short", "sober"], "critique": f"critique round {n}"} for n in (0, 1)
    ]
    critique, revise, again, _ = (call.body["messages"][0]["content"] for call in model.calls)
    assert "- Where is it unkind?" in critique
    assert (
        '- Where does the response break this principle: "It is short."? (Only if the question is short.)' in critique
    )
    assert "- Be kind." in revise
    assert "<critique>\ncritique round 0\n</critique>" in revise
    assert "<response>\nrevise round 0\n</response>" in again

    drawn = set()
    for _ in range(2):
        group, _ = await transformed(said, *[LONG] * 20, **config, principles={"sample": 1})
        drawn.add(
            tuple(one["principles"][0] for c in group.candidates for one in c.verdicts["transform"].data["critiques"])
        )
    (names,) = drawn
    assert set(names) == {"kind", "short", "sober"}, "every choice repeats, and all principles have their turn"


@pytest.mark.parametrize("name", ["succinct", "restyle", "expand_steps", "critique", "revise"])
def test_what_is_rewritten_is_shown_in_tags_and_not_obeyed(name: str) -> None:
    assert "<response>\n{{ response }}\n</response>" in builtin(name)
    assert "not obeyed" in builtin(name)
