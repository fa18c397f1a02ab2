"""Reward models in the shapes of vLLM's routes: a right response is rated above a wrong one."""

from __future__ import annotations

import pytest

from service.simulator.options import Options

ASK = "What is 17 + 25 * 2?"
RIGHT, WRONG = "The answer is 67.", "The answer is 84."
HONEST = Options(sensitivity=1, specificity=1)


async def rated(simulated, path: str, options: Options = HONEST, **body):
    async with simulated(options) as endpoint:
        reply = await endpoint.post({"model": "simulated", **body}, path)
        assert reply.status == 200, reply.raw
        return reply.body


@pytest.mark.parametrize("path", ["/classify", "/../classify"])
async def test_classify_gives_the_probabilities_of_two_classes(simulated, path: str) -> None:
    said = await rated(simulated, path, input=[f"{ASK}\n{RIGHT}", f"{ASK}\n{WRONG}"])
    good, bad = said["data"]
    assert (good["index"], good["label"], good["num_classes"]) == (0, "LABEL_1", 2)
    assert sum(good["probs"]) == pytest.approx(1)
    assert good["probs"][1] > 0.5 > bad["probs"][1]
    assert said["usage"]["total_tokens"] > 0


async def test_pooling_reads_a_conversation_and_gives_one_number(simulated) -> None:
    rewards = []
    for answer in (RIGHT, WRONG):
        turns = [{"role": "user", "content": ASK}, {"role": "assistant", "content": answer}]
        (item,) = (await rated(simulated, "/pooling", messages=turns))["data"]
        assert item["object"] == "pooling"
        rewards += item["data"]
    assert rewards[0] > 0.5 > rewards[1]


async def test_score_rates_one_text_against_several(simulated) -> None:
    said = await rated(simulated, "/score", text_1=ASK, text_2=[WRONG, RIGHT])
    assert [item["index"] for item in said["data"]] == [0, 1]
    assert said["data"][0]["score"] < 0.5 < said["data"][1]["score"]


async def test_rerank_puts_the_best_first_and_cuts(simulated) -> None:
    texts = [WRONG, RIGHT, "The answer is 66."]
    said = await rated(simulated, "/rerank", query=ASK, documents=texts, top_n=2)
    assert said["results"][0]["index"] == 1
    assert said["results"][0]["document"] == {"text": RIGHT}
    assert said["results"][0]["relevance_score"] > said["results"][1]["relevance_score"]
    assert len(said["results"]) == 2


async def test_a_reward_is_that_of_the_text_whatever_else_is_asked(simulated) -> None:
    alone = await rated(simulated, "/score", text_1=ASK, text_2=WRONG)
    beside = await rated(simulated, "/score", text_1=[ASK, ASK], text_2=[RIGHT, WRONG])
    assert alone["data"][0]["score"] == beside["data"][1]["score"]


async def test_panellists_of_other_names_err_by_themselves(simulated) -> None:
    options = Options(model=["one", "two"], sensitivity=0.5, specificity=0.5)
    texts = [f"Attempt {n}: {RIGHT}" for n in range(60)]
    verdicts = []
    for model in ("one", "two"):
        said = await rated(simulated, "/score", options, model=model, text_1=ASK, text_2=texts)
        verdicts.append([item["score"] > 0.5 for item in said["data"]])
    agreed = sum(one == other for one, other in zip(*verdicts, strict=True))
    assert 15 < agreed < 45


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/classify", {}, "'input' is missing"),
        ("/rerank", {"query": ASK}, "'documents' is missing"),
        ("/score", {"text_1": ["a", "b"], "text_2": ["c", "d", "e"]}, "2 texts to compare with 3"),
    ],
)
async def test_what_cannot_be_rated_is_said(simulated, path: str, body: dict, words: str) -> None:
    async with simulated(HONEST) as endpoint:
        reply = await endpoint.post({"model": "simulated", **body}, path)
        assert reply.status == 400
        assert words in reply.body["error"]["message"]
