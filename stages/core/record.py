"""What flows: a Group is a seed with its candidates, and the unit that moves through the queues.

Invariant: a candidate leaves the state `live` once, through `Group.reject`, `Group.fail` or `Group.accept`, and keeps
the stage, reason and detail of that moment for good.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from typing import Any, Literal

CHILD_BITS = 10

State = Literal["live", "accepted", "rejected", "failed"]
Origin = Literal["generated", "derived", "given"]
Message = dict[str, Any]


@dataclass(slots=True)
class Seed:
    """One input: a row of the source, or an output that became an input of its own.

    `no` is the place in canonical order; `id` is unique in the run and enters every call key and random choice.
    """

    no: int
    id: str
    row: dict[str, Any]
    topic: str = ""
    parent_id: str | None = None
    root_id: str | None = None
    messages: list[Message] | None = None
    tools: list[dict[str, Any]] | None = None

    @property
    def root(self) -> str:
        return self.root_id or self.id

    def child(self, n: int, row: dict[str, Any]) -> Seed:
        """Return the n-th seed that came out of this one. Raises ValueError beyond what numbers can hold.

        Its number follows from its parent's and n alone, so that it is the same however a run is interrupted: children
        of source rows lie from 2^40 on, theirs from 2^50, and theirs from 2^60.
        """
        no = (self.no << CHILD_BITS | n) + (0 if self.parent_id else 1 << 40)
        if n >> CHILD_BITS or no >> 62:
            raise ValueError("a seed has at most 1,024 children, and no more than three generations after it")
        return Seed(no, f"{self.id}.{n}", row, self.topic, self.id, self.root, tools=self.tools)


def plain(record: object) -> dict[str, Any]:
    """Return a dataclass's fields as they stand in the ledger: those with a default only where they differ from it."""
    kind: Any = type(record)
    return {name: value for name, default in _defaults(kind) if (value := getattr(record, name)) != default}


@cache
def _defaults(kind: type) -> list[tuple[str, object]]:
    """Return each field with its default; MISSING, which equals no value, where it has none."""
    made = {one.name: one.default_factory() for one in fields(kind) if one.default_factory is not MISSING}
    return [(one.name, made.get(one.name, one.default)) for one in fields(kind)]


@dataclass(slots=True)
class Verdict:
    """What one stage found about one candidate. `passed` None: it could not be judged.

    `reason` is a bounded label (it becomes a metric's label), `detail` is for people, `data` holds what else is known.
    """

    passed: bool | None
    score: float | None = None
    reason: str = ""
    detail: str = ""
    data: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as plain data, what is empty left out."""
        known = plain(self)
        data: dict[str, Any] = known.pop("data", {})
        return known | data


@dataclass(slots=True)
class Candidate:
    """One possible answer to a seed.

    `origin` counts it (generated, derived, given); `lineage` says how it came about: endpoint, model, prompt number,
    temperature, sampling seed. `fields` are values that stages extracted (such as `answer`), visible to expressions;
    `embeddings`, by the stage they were made for, are unit vectors of float16, one for each part that it compares.
    """

    n: int
    text: str
    origin: Origin = "generated"
    lineage: dict[str, Any] = field(default_factory=dict)
    reasoning: str | None = None
    finish_reason: str = "stop"
    tool_calls: list[dict[str, Any]] | None = None
    prompt: list[Message] | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    state: State = "live"
    stage: str = ""
    reason: str = ""
    detail: str = ""
    embeddings: dict[str, bytes] = field(default_factory=dict)

    @property
    def score(self) -> float | None:
        """The score that ranks it: the last one given, since later stages know more."""
        return next(reversed(self.scores.values()), None)


@dataclass(slots=True)
class Group:
    """A seed with all its candidates.

    `replies` holds committed replies of an earlier process, by call key; `wave` counts from 0, and `more` is how many
    candidates the next wave shall have (0: as many as the first). `at`: the stage that a group waits at in the store.
    """

    seed: Seed
    candidates: list[Candidate] = field(default_factory=list)
    replies: dict[str, bytes] = field(default_factory=dict)
    wave: int = 0
    more: int = 0
    failure: str = ""
    at: str = ""

    @property
    def live(self) -> list[Candidate]:
        return [candidate for candidate in self.candidates if candidate.state == "live"]

    def candidate_id(self, candidate: Candidate) -> str:
        return f"{self.seed.id}/{candidate.n}"

    def reject(self, candidate: Candidate, stage: str, reason: str, detail: str = "") -> None:
        self._leave(candidate, "rejected", stage, reason, detail)

    def fail(self, candidate: Candidate, stage: str, reason: str, detail: str = "") -> None:
        self._leave(candidate, "failed", stage, reason, detail)

    def accept(self, candidate: Candidate) -> None:
        self._leave(candidate, "accepted", "", "", "")

    @staticmethod
    def revive(candidate: Candidate) -> None:
        """Bring a rejected candidate back: what it was rejected for is gone."""
        candidate.state, candidate.stage, candidate.reason, candidate.detail = "live", "", "", ""

    @staticmethod
    def _leave(candidate: Candidate, state: State, stage: str, reason: str, detail: str) -> None:
        if candidate.state == "live":
            candidate.state, candidate.stage, candidate.reason, candidate.detail = state, stage, reason, detail

    def scope(self, candidate: Candidate | None = None) -> dict[str, Any]:
        """Return the variables that templates and `where` expressions see, for the seed or for one candidate of it.

        A column is never hidden by what a stage found: where a column is called `answer` or `text` too, the candidate's
        are `fields.answer` and `response`. Of the names that tamis gives, `row`, `seed_id`, `response`, `scores`,
        `verdicts`, `lineage` and `fields` stand above columns; `topic` does where the source names one.
        """
        seed = self.seed
        names: dict[str, Any] = {"topic": seed.topic}
        if candidate is not None:
            names.update(candidate.fields)
            names.update(
                id=self.candidate_id(candidate),
                text=candidate.text,
                reasoning=candidate.reasoning,
                finish_reason=candidate.finish_reason,
            )
        names.update(seed.row, row=seed.row, seed_id=seed.id)
        if seed.topic:
            names["topic"] = seed.topic
        if candidate is not None:
            names.update(
                response=candidate.text,
                fields=candidate.fields,
                scores=candidate.scores,
                verdicts={name: verdict.as_dict() for name, verdict in candidate.verdicts.items()},
                lineage=candidate.lineage,
            )
        return names
