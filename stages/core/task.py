"""The task of a seed as one text: what its reader was asked, for judges to see and for duplicates to compare."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from stages.core.record import Candidate, Group, Message


def task_text(group: Group, candidate: Candidate | None = None) -> str:
    """Return what stands as the user's turn: of one candidate's prompt, or, without one, of the seed as a whole.

    The first that exists of: the prompt that was sent (for a seed that of the first template, so that seeds compare),
    the seed's messages, the row as JSON without its id.
    """
    sent = [one for one in ([candidate] if candidate else group.candidates) if one.prompt]
    first = min(sent, key=lambda one: one.lineage.get("prompt", 0), default=None)
    messages = first.prompt if first else group.seed.messages
    if messages:
        return conversation(messages)
    return orjson.dumps({key: value for key, value in group.seed.row.items() if value != group.seed.id}).decode()


def conversation(messages: Sequence[Message]) -> str:
    """Return a conversation without its system message: one turn as it is, several with their roles before them."""
    turns = [(message.get("role", ""), content_text(message.get("content"))) for message in messages]
    turns = [(role, text) for role, text in turns if role not in ("system", "developer")]
    if len(turns) == 1:
        return turns[0][1]
    return "\n".join(f"{role}: {text}" for role, text in turns)


def content_text(content: object) -> str:
    """Return a message's content as a text: of a list of parts, those that are text."""
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        return "\n".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""
