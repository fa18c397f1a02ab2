"""Answers to the prompts of transforms: rewrites, critiques, and what is made of a document.

A right rewrite is the response in other or fewer lines, with its last line (the answer) as it was; a share of them
lose the answer, as often by leaving it out as by another number. Questions that are made of a document ask for one of
its sentences, answer with it and quote it; for the same share the quotation is none. Where a document stands above
such a question, the reply is that sentence, and for the same share something that the document does not say.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import orjson

from service.simulator.draws import Draws

_RESPONSE = re.compile(r"<response>\s*(.*?)\s*</response>", re.DOTALL)
_DOCUMENT = re.compile(r"<document>\s*(.*?)\s*</document>", re.DOTALL)
_NUMBER = re.compile(r"\d+")
_SENTENCE = re.compile(r"[^\s.!?][^.!?\n]*[.!?]?")
_MOST = re.compile(r"(?:up to|at most) (\d+)")
_QUESTION = 'What is said that begins with "{}"?'
_QUESTIONED = re.compile(r'What is said that begins with "([^"]+)"\?')
_MADE_UP = "It was first seen in Samarkand in 1404, by 17 sailors of the Golden Fleece."
_SAID_OTHERWISE = ("Please help me with this:", "I was asked this, and would like to know:", "For a friend of mine:")


def said(prompt: str, loses: float, draws: Draws) -> str | None:
    """Return the reply to a transform's prompt; None where the prompt is another's."""
    if "Reply with the rewritten response and nothing else" in prompt and (shown := _RESPONSE.search(prompt)):
        return _rewritten(shown[1], "as few words" in prompt, draws.chance("loses", loses), draws)
    if "Reply with the critique and nothing else" in prompt:
        return "The response could begin with what was asked for, and say in a word why each step is taken."
    document = _DOCUMENT.search(prompt)
    return None if document is None else _of_document(prompt, document, loses, draws)


def _of_document(prompt: str, document: re.Match[str], loses: float, draws: Draws) -> str | None:
    """Return what a prompt wants to have made of the document in it."""
    if "Reply with the new task and nothing else" in prompt:
        return f"{draws.pick('otherwise', _SAID_OTHERWISE)} {document[1]}"
    sentences = _SENTENCE.findall(document[1])
    for key, make in _MAKERS.items():
        if f'{{"items": [{{"{key}"' in prompt:
            most = _MOST.search(prompt)
            shown = sentences[: int(most[1]) if most else 1]
            items = [make(one, draws.chance(f"lies {n}", loses)) for n, one in enumerate(shown)]
            if '"evidence"' not in prompt:
                items = [{name: value for name, value in item.items() if name != "evidence"} for item in items]
            return orjson.dumps({"items": items}).decode()
    if questioned := _QUESTIONED.search(prompt, document.end()):
        meant = (one for one in sentences if _beginning(one) == questioned[1])
        return _MADE_UP if draws.chance("makes up", loses) else next(meant, _MADE_UP)
    return None


def _rewritten(response: str, shorter: bool, loses: bool, draws: Draws) -> str:
    lines = [line for line in response.splitlines() if line.strip()]
    answer, before = lines[-1], lines[:-1]
    numbers = _NUMBER.findall(answer)
    if loses and (not numbers or draws.chance("left out", 0.5)):
        return "It is worked out as it was, and what comes of that is the answer."
    if loses:
        head, _, tail = answer.rpartition(numbers[-1])
        answer = f"{head}{int(numbers[-1]) + 1}{tail}"
    return "\n".join([*(before[-1:] if shorter else ["Let me say it plainly.", *before]), answer])


def _beginning(sentence: str) -> str:
    return " ".join(sentence.split()[:3]).replace('"', "")


def _asked(sentence: str, lies: bool) -> dict[str, object]:
    evidence = f"{sentence} And that is certain." if lies else sentence
    return {"question": _QUESTION.format(_beginning(sentence)), "evidence": evidence, "answer": sentence}


def _talked(sentence: str, _: bool) -> dict[str, object]:
    turns = (("user", "What does the text say?"), ("assistant", sentence))
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def _instructed(sentence: str, _: bool) -> dict[str, object]:
    return {"instruction": f'Write what begins with "{_beginning(sentence)}".', "response": sentence}


_MAKERS: dict[str, Callable[[str, bool], dict[str, object]]] = {
    "question": _asked,
    "evidence": _asked,
    "messages": _talked,
    "instruction": _instructed,
}
"""The first key of the items that a prompt shows -> what makes such an item of a sentence."""
