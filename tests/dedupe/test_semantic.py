"""Duplicates in meaning: embeddings from an endpoint, or by the small model on this machine."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence

import numpy as np
import pytest
from decisions import MadeDecisions
from scripted_model import ScriptedModel

from config.schema import Dedupe, Semantic
from stages.core.base import PhaseStage, Place
from stages.core.errors import CandidateError, InputError
from stages.core.record import Candidate, Group, Seed
from stages.dedupe import minilm
from stages.dedupe.dedupe import dedupe_stage
from stages.dedupe.embed import Embedder, EmbedStage, embedder
from stages.dedupe.minilm import MiniLM, require_semantic
from stages.llm.protocol import Call, Reply


def group(no: int, *texts: str, question: str = "How much?") -> Group:
    messages = [{"role": "user", "content": question}]
    return Group(Seed(no, f"s{no}", {}, messages=messages), [Candidate(n, text) for n, text in enumerate(texts)])


def turned(degrees: float) -> list[float]:
    """A vector at so many degrees, of no particular length."""
    return [3 * math.cos(math.radians(degrees)), 3 * math.sin(math.radians(degrees))]


def degrees(call: Call) -> Reply:
    """Embed texts that are numbers; others lie at 0, and "bad" is refused."""
    if "bad" in call.body["input"]:
        raise CandidateError("bad_request", "the provider's words")
    return Reply((), vectors=tuple(turned(float(text) if text.isdigit() else 0) for text in call.body["input"]))


async def deduped(groups: Sequence[Group], embeds: Embedder, **config: object) -> None:
    made = Dedupe.model_validate({"name": "dedupe", "semantic": {"threshold": 0.99}, **config})
    embed = EmbedStage(Place("dedupe", 1), made, embeds, MadeDecisions())
    stage = dedupe_stage(Place("dedupe", 2), made, MadeDecisions())
    assert isinstance(stage, PhaseStage)
    for one in groups:
        await embed.process(one)
    for one in groups:
        await stage.survey(one)
    for one in groups:
        await stage.process(one)


def states(groups: Sequence[Group]) -> list[list[str]]:
    return [[candidate.state for candidate in one.candidates] for one in groups]


async def test_a_twin_in_meaning_is_dropped_by_its_true_cosine_unless_its_parsed_answer_differs():
    model = ScriptedModel(degrees)
    groups = [group(0, "0"), group(1, "7"), group(2, "9"), group(3, "3")]
    groups[0].candidates[0].fields["answer"] = "5"
    groups[3].candidates[0].fields["answer"] = "6"
    await deduped(groups, embedder(Semantic(endpoint="e"), {"e": model}))
    assert states(groups) == [["live"], ["rejected"], ["live"], ["rejected"]]
    verdicts = [one.candidates[0].verdicts["dedupe"].data for one in groups]
    assert verdicts[1]["how"] == "semantic"
    assert verdicts[1]["similarity"] == pytest.approx(math.cos(math.radians(7)), abs=1e-3)
    assert verdicts[3]["twin"] == "s2/0", "s0/0 is closer, but has another answer"


async def test_an_embedding_of_another_length_fails_its_candidate_and_no_other():
    def changing(call: Call) -> Reply:
        longer = [0.0] if "7" in call.body["input"] else []
        return Reply((), vectors=tuple([*vector, *longer] for vector in degrees(call).vectors))

    groups = [group(0, "0"), group(1, "7"), group(2, "40")]
    await deduped(groups, embedder(Semantic(endpoint="e"), {"e": ScriptedModel(changing)}))
    assert states(groups) == [["live"], ["failed"], ["live"]]
    assert "3 numbers, after others of 2" in groups[1].candidates[0].detail


async def test_each_text_of_a_group_is_asked_for_once_in_one_call_and_never_again():
    model = ScriptedModel(degrees)
    config = Dedupe(name="dedupe", semantic=Semantic(endpoint="e"))
    embed = EmbedStage(Place("dedupe", 1), config, embedder(Semantic(endpoint="e"), {"e": model}), MadeDecisions())
    one = group(0, "10", "10", "", "20")
    for _ in range(2):
        await embed.process(one)
    (call,) = model.calls
    assert call.body == {"input": ["How much?", "10", "20"]}
    assert (call.route, call.stage) == ("embeddings", "dedupe.embed")
    assert [len(candidate.embeddings.get("dedupe", "")) for candidate in one.candidates] == [8, 8, 0, 8]
    unit = np.frombuffer(one.candidates[3].embeddings["dedupe"], np.float16).reshape(2, 2)
    assert np.linalg.norm(unit, axis=1) == pytest.approx([1, 1], abs=1e-3)


async def test_one_text_that_is_refused_fails_its_candidate_and_not_its_siblings():
    model, one = ScriptedModel(degrees), group(0, "10", "bad")
    await deduped([one], embedder(Semantic(endpoint="e"), {"e": model}), on="response")
    assert states([one]) == [["live", "failed"]]
    assert one.candidates[1].detail == "the provider's words"


@pytest.mark.parametrize(("on", "modes"), [("response", 2), ("prompt", 1)])
async def test_a_window_of_embeddings_says_how_many_different_things_it_is_about(on: str, modes: int):
    """All are asked the same; half of the responses stand at right angles to the other half."""
    config, decisions = (
        Dedupe.model_validate({"name": "dedupe", "on": on, "semantic": {"endpoint": "e"}}),
        MadeDecisions(),
    )
    embed = EmbedStage(Place("dedupe", 1), config, embedder(config.semantic, {"e": ScriptedModel(degrees)}), decisions)
    for no in range(450):
        await embed.process(group(no, "0" if no % 2 else "90"))
    assert decisions.rows == [("modes", "dedupe", {"texts": 200, "modes": modes})] * 2


async def test_too_few_embeddings_fail_in_words():
    model, one = ScriptedModel(lambda call: Reply((), vectors=())), group(0, "10")
    await deduped([one], embedder(Semantic(endpoint="e"), {"e": model}))
    assert (one.candidates[0].state, one.candidates[0].reason) == ("failed", "unreadable")
    assert one.candidates[0].detail == "scripted gave 0 embeddings for 1 texts"


@pytest.fixture(scope="module")
def local() -> MiniLM:
    model = MiniLM()
    asyncio.run(model.start())
    return model


def cosine(model: MiniLM, one: str, other: str) -> float:
    a, b = model.vector(one), model.vector(other)
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_the_local_model_puts_a_paraphrase_closer_than_a_stranger(local: MiniLM):
    text = "How many apples does Tom have left after giving three away?"
    assert cosine(local, text, "Tom gave away three apples. How many remain?") > 0.7
    assert cosine(local, text, "The treaty was signed in Vienna.") < 0.3


def test_what_stands_beyond_the_models_window_counts(local: MiniLM):
    long = "The sum of the numbers is added to the total. " * 40
    same, other = long + "Then we go home. " * 40, long + "Volcanoes erupt violently. " * 40
    assert cosine(local, same, same) == pytest.approx(1)
    assert cosine(local, same, other) < 0.95


async def test_the_local_model_leaves_the_event_loop_alone(local: MiniLM):
    stage = EmbedStage(Place("d", 0), Dedupe(name="d", semantic=Semantic()), local, MadeDecisions())
    lags, done = [], asyncio.Event()

    async def watch() -> None:
        while not done.is_set():
            before = time.perf_counter()
            await asyncio.sleep(0)
            lags.append(time.perf_counter() - before)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(watch())
        texts = [f"Number {n} is a text of some words that say little. " * 20 for n in range(8)]
        await local.embed(stage, group(0), texts)
        done.set()
    assert sorted(lags)[int(len(lags) * 0.99)] < 0.1


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(minilm, "_LIBRARIES", ("onnxruntime", "no_such_library"))
    needs = r"needs no_such_library: pip install 'tamis\[semantic\]'"
    with pytest.raises(InputError, match=f"{needs}, or name an `endpoint`"):
        require_semantic(local=True)
    with pytest.raises(InputError, match=f"{needs}$"):
        require_semantic(local=False)
