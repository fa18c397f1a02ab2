"""What a row's text can be made into, and how a model's JSON is read as that.

A reply is `{"items": [...]}`. Of a reply that was cut off the items that are whole count, and of items those that have
what they must have; the others are not guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from config.schema import Transform
from config.transforming import SPAN
from stages.core.errors import CandidateError
from stages.core.quotes import find_span
from stages.core.record import Message, Verdict
from stages.llm.formats import object_of, reply_format
from stages.llm.protocol import Choice
from stages.llm.reading import objects

MOST_SENTENCES = 200
"""What a reply's schema offers to choose from; in a longer text the model copies, as for `span`."""
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n\s*\n")
_TEXT = {"type": "string", "minLength": 1}
Said = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that was made of a row: an answer (`text`) and what it answers (None: what the model was asked).

    `columns` are what a row of its own has besides its parent's, `fields` what the candidate has. `verdict` is there
    where the gates need not be asked.
    """

    text: str
    columns: dict[str, Any] = field(default_factory=dict)
    prompt: list[Message] | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    lineage: dict[str, Any] = field(default_factory=dict)
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """The JSON schema of an item, and how one is read, given what was said and the row's text (None: it is no item).

    A schema of the person's own is not `strict`: servers ask more of those that are. `quotes` is the key whose value
    must be one of the text's sentences, if there is one.
    """

    schema: dict[str, Any]
    item: Callable[[Said, str], Item | None]
    strict: bool = True
    quotes: str = ""

    def read(self, said: Choice, document: str, most: int) -> list[Item] | None:
        """Return the items of a reply, `most` at most; None where it cannot be read.

        Raises CandidateError: "empty" where it is an empty list, "truncated" where it was cut off before the first item
        was whole.
        """
        found = list(objects(said.text))
        whole = next((items for one in found if isinstance(items := one.get("items"), list)), None)
        items = [
            item
            for one in (found if whole is None else whole)
            if isinstance(one, dict) and (item := self.item(one, document)) is not None
        ]
        if whole == []:
            raise CandidateError("empty", "the model found nothing to make of the text")
        if not items and said.truncated:
            raise CandidateError("truncated", "the reply ended at max_tokens")
        return items[:most] or None

    def reply_format(self, most: int, document: str) -> dict[str, Any]:
        """Return the reply's JSON schema, as servers take it."""
        item, sentences = self.schema, _sentences(document) if self.quotes else []
        if 0 < len(sentences) <= MOST_SENTENCES:
            item = item | {"properties": item["properties"] | {self.quotes: {"type": "string", "enum": sentences}}}
        items = {"type": "array", "items": item, "maxItems": most}
        return reply_format("items", {"items": items}, self.strict)

    @property
    def again(self) -> str:
        keys = ", ".join(self.schema.get("properties", ())) or "those of the schema"
        return f'That could not be read. Reply with JSON only: {{"items": [...]}}. The keys of an item are: {keys}.'


def shape_of(config: Transform) -> Shape:
    """Return the shape that a stage makes."""
    match config.to or config.kind:
        case "qa" if config.evidence:
            first, picks = ("question", "evidence"), config.evidence == "sentence"
            keys = (*(reversed(first) if picks else first), "answer")
            return Shape(object_of(dict.fromkeys(keys, _TEXT)), _with_evidence, quotes="evidence" if picks else "")
        case "qa":
            return Shape(object_of(dict.fromkeys(("question", "answer"), _TEXT)), _pair("question", "answer"))
        case "chat":
            turn = object_of({"role": {"enum": ["system", "user", "assistant"]}, "content": _TEXT})
            return Shape(object_of({"messages": {"type": "array", "items": turn}}), _chat)
        case "instruction":
            return Shape(object_of(dict.fromkeys(("instruction", "response"), _TEXT)), _pair("instruction", "response"))
        case "backtranslate":
            return Shape(object_of({"instruction": _TEXT}), _instruction_for)
        case _:
            return Shape(config.schema_ or {}, _as_it_is, strict=False)


def _sentences(document: str) -> list[str]:
    """Return the sentences of a text, each once and on one line, whatever the breaks in it; headings are none."""
    lines = (" ".join(part.split()) for part in _SENTENCE_END.split(document))
    return list(dict.fromkeys(line for line in lines if line and not line.startswith("#")))


def _pair(asked: str, answered: str) -> Callable[[Said, str], Item | None]:
    def item(said: Said, _document: str) -> Item | None:
        texts = _texts(said, asked, answered)
        return (
            None if texts is None else Item(texts[1], dict(zip((asked, answered), texts, strict=True)), _user(texts[0]))
        )

    return item


def _with_evidence(said: Said, document: str) -> Item | None:
    """Read a question with its evidence, which becomes the document's own words, with where they stand in it."""
    if (texts := _texts(said, "question", "answer", "evidence")) is None:
        return None
    question, answer, quoted = texts
    span = find_span(quoted, document)
    evidence: dict[str, Any] = dict(zip(SPAN, span or (None,) * len(SPAN), strict=True))
    verdict = None
    if span is None:
        verdict = Verdict(False, reason="ungrounded", detail=f'the evidence is not in the text: "{quoted:.200}"')
    columns = {"question": question, "answer": answer, **evidence}
    return Item(answer, columns, _user(question), evidence, verdict=verdict)


def _instruction_for(said: Said, document: str) -> Item | None:
    if (texts := _texts(said, "instruction")) is None:
        return None
    return Item(document, {"instruction": texts[0], "response": document}, _user(texts[0]))


def _chat(said: Said, _document: str) -> Item | None:
    """Read a conversation: a user's turn in it, nothing empty, and the assistant's turn at the end."""
    turns = said.get("messages")
    messages: list[Message] = []
    for turn in turns if isinstance(turns, list) else ():
        role, content = (turn.get("role"), turn.get("content")) if isinstance(turn, dict) else (None, None)
        if role not in ("system", "user", "assistant") or not isinstance(content, str) or not content.strip():
            return None
        messages.append({"role": role, "content": content.strip()})
    if not messages or messages[-1]["role"] != "assistant" or all(one["role"] != "user" for one in messages):
        return None
    return Item(messages[-1]["content"], {"messages": messages}, messages[:-1])


def _as_it_is(said: Said, _document: str) -> Item | None:
    return Item(orjson.dumps(said).decode(), dict(said))


def _texts(said: Said, *keys: str) -> list[str] | None:
    """Return the texts under these keys; None where one is missing or empty."""
    texts = [value.strip() for key in keys if isinstance(value := said.get(key), str)]
    return texts if len(texts) == len(keys) and all(texts) else None


def _user(text: str) -> list[Message]:
    return [{"role": "user", "content": text}]
