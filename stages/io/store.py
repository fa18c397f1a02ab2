"""A group as rows of the ledger, and back: all of it survives but the replies, which have rows of their own.

What is empty is left out. A conversation (the seed's messages, the prompts that were sent) is stored once per seed,
however many candidates it led to: `conversations` in the seed's data, to which places in it refer.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import orjson

from queues.ledger import CandidateRow, SeedRow
from stages.core.record import Candidate, Group, Message, Origin, Seed, State, Verdict, plain


class Stored(NamedTuple):
    """A group as the ledger has it. state: solved, unsolved, failed, expanded, or parked until `phase` begins."""

    group: Group
    state: str
    phase: int


def pack(group: Group, state: str, phase: int) -> tuple[SeedRow, list[CandidateRow]]:
    """Return the rows of a group."""
    seed = group.seed
    conversations: list[list[Message]] = []
    candidates = [_pack_candidate(seed.no, candidate, conversations) for candidate in group.candidates]
    data = {
        "messages": _place(conversations, seed.messages),
        "tools": seed.tools,
        "conversations": conversations or None,
        "wave": group.wave or None,
        "more": group.more or None,
        "failure": group.failure or None,
        "at": group.at or None,
    }
    row = orjson.dumps(seed.row)
    seed_row = SeedRow(seed.no, seed.id, seed.topic, seed.parent_id, seed.root_id, state, phase, row, _known(data))
    return seed_row, candidates


def _pack_candidate(no: int, candidate: Candidate, conversations: list[list[Message]]) -> CandidateRow:
    c = candidate
    data = {
        "lineage": c.lineage or None,
        "prompt": _place(conversations, c.prompt),
        "verdicts": {name: plain(verdict) for name, verdict in c.verdicts.items()} or None,
        "scores": c.scores or None,
        "embeddings": {name: b64encode(vector).decode() for name, vector in c.embeddings.items()} or None,
        "fields": c.fields or None,
        "reasoning": c.reasoning,
        "tool_calls": c.tool_calls,
        "finish_reason": None if c.finish_reason == "stop" else c.finish_reason,
    }
    return CandidateRow(no, c.n, c.state, c.stage, c.reason, c.detail, c.origin, c.text, _known(data))


def _known(data: dict[str, Any]) -> bytes:
    """Return as JSON what there is of it."""
    return orjson.dumps({key: value for key, value in data.items() if value is not None})


def _place(conversations: list[list[Message]], messages: list[Message] | None) -> int | None:
    if messages is None:
        return None
    if messages not in conversations:
        conversations.append(messages)
    return conversations.index(messages)


def unpack(seed_row: SeedRow, candidate_rows: Sequence[CandidateRow]) -> Stored:
    """Return the group that these rows were made of."""
    data = orjson.loads(seed_row.data)
    conversations: list[list[Message]] = data.get("conversations", [])
    messages = data.get("messages")
    seed = Seed(
        seed_row.no,
        seed_row.id,
        orjson.loads(seed_row.row),
        seed_row.topic,
        seed_row.parent_id,
        seed_row.root_id,
        None if messages is None else conversations[messages],
        data.get("tools"),
    )
    group = Group(
        seed,
        [_unpack_candidate(row, conversations) for row in candidate_rows],
        wave=data.get("wave", 0),
        more=data.get("more", 0),
        failure=data.get("failure", ""),
        at=data.get("at", ""),
    )
    return Stored(group, seed_row.state, seed_row.phase)


def _unpack_candidate(row: CandidateRow, conversations: list[list[Message]]) -> Candidate:
    data = orjson.loads(row.data)
    prompt = data.get("prompt")
    return Candidate(
        row.n,
        row.text,
        cast(Origin, row.origin),
        data.get("lineage", {}),
        data.get("reasoning"),
        data.get("finish_reason", "stop"),
        data.get("tool_calls"),
        None if prompt is None else conversations[prompt],
        data.get("fields", {}),
        {name: Verdict(**verdict) for name, verdict in data.get("verdicts", {}).items()},
        data.get("scores", {}),
        cast(State, row.state),
        row.stage,
        row.reason,
        row.detail,
        {name: b64decode(vector) for name, vector in data.get("embeddings", {}).items()},
    )
