"""Recall and precision on edits of real solutions, judged by similarity counted the slow way."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

from config.schema import Dedupe
from stages.dedupe.corpus import Corpus
from stages.dedupe.documents import Document, Measure

MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
THRESHOLD = 0.8


def edited(text: str, draw: random.Random) -> str:
    """Change a few words, add or lose one, swap case or white space: from a twin to a mere relative."""
    words = text.split(" ")
    for _ in range(draw.randrange(4)):
        at = draw.randrange(len(words))
        words[at : at + 1] = draw.choice(([], [draw.choice(words)], [words[at], "also"]))
    return draw.choice((" ", "  ", "\n")).join(words) if draw.random() < 0.5 else " ".join(words).upper()


def test_edits_of_real_solutions_are_found_and_nothing_else(shared_data: Path, similarity: Callable[[str, str], float]):
    draw = random.Random(11)
    lines = (shared_data / "gsm8k_model_solutions_300.jsonl").read_bytes().splitlines()
    rows = [json.loads(line) for line in lines]
    documents: list[tuple[int, str]] = []
    for no, row in enumerate(rows):
        originals = [row[model]["solution"] for model in MODELS]
        documents += [(no, text) for text in originals]
        documents += [(no, edited(text, draw)) for text in originals for _ in range(2)]
    draw.shuffle(documents)
    corpus = Corpus[int](Measure(Dedupe.model_validate({"near": {"threshold": THRESHOLD}})))
    for one, (no, text) in enumerate(documents):
        if corpus.add(one, Document((rows[no]["question"], text))):
            corpus.hash()
    twins = corpus.twins()

    wrong = sum(similarity(documents[one][1], documents[twin.id][1]) < THRESHOLD for one, twin in twins.items())
    kept: dict[int, list[str]] = {}
    wanted = found = 0
    for one, (no, text) in enumerate(documents):
        closest = max((similarity(text, other) for other in kept.get(no, ())), default=0.0)
        if closest >= 0.85:
            wanted += 1
            found += one in twins
            if one in twins:
                assert similarity(text, documents[twins[one].id][1]) == closest, "a closer one was kept"
        if one not in twins:
            kept.setdefault(no, []).append(text)
    assert wanted > 500
    assert found >= 0.95 * wanted
    assert wrong == 0
    assert len(twins) < len(documents) - 1_000, "relatives below the threshold stay"
