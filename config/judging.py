"""Stages that compare and choose by opinion: judges, rankings, votes, and the selection by what they found."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from config.base import Config, Count, FilePath, Name, NonNegative, Number, OneOrMany, Share, Text, Whole, wrong
from config.stage import Alias, BaseStage, Extract


def _ascending(scale: tuple[int, int]) -> tuple[int, int]:
    if not 0 < scale[1] - scale[0] <= 100:
        raise wrong(f"write the lowest and the highest mark, such as [1, 5], not [{scale[0]}, {scale[1]}]")
    return scale


Scale = Annotated[
    tuple[Annotated[int, Field(strict=True)], Annotated[int, Field(strict=True)]], AfterValidator(_ascending)
]


class Opinion(BaseStage):
    """What a stage has that asks a model for its opinion."""

    constitution: FilePath | None = None
    principles: Count | None = None
    """How many of the principles are used for a seed, drawn at random; left out: all."""
    prompt: Text | None = None
    """In place of the built-in one; `tamis prompts show` prints that, and with it the variables that there are."""
    temperature: NonNegative = 0.0
    max_tokens: Count | None = 1024


class Escalate(Config):
    """Ask a stronger judge when the cheap ones are unsure; its vote then decides."""

    to: Alias
    when: Literal["split", "unsure"] = "split"
    """`split`: not all votes are the same, or one cannot be read; `unsure`: or the score is near the threshold."""
    margin: Share = 0.1
    """What is near, as a share of the scale."""


class Audit(Config):
    """How far a judge is tried in every run: what it said is asked again, and responses that hold nothing are shown."""

    share: Share = 0.05
    """Of the candidates of first waves, judged again with the order of options and criteria reversed."""
    max: Count = 200
    """At most about so many of them."""


class Judge(Opinion):
    """A model judges by the constitution. Several endpoints are a panel."""

    type: Literal["judge"] = "judge"
    endpoint: OneOrMany[str] = Field(min_length=1, examples=["main"])
    mode: Literal["eliminate", "rubric", "checklist", "reward"] = "eliminate"
    """Whether a criterion for elimination applies; a mark on each axis; a checklist of its own for each seed; or what a
    reward model or cross-encoder says."""
    axes: dict[str, str] = Field(default={}, examples=[{"clarity": "How easy it is to follow."}])
    """rubric: what to rate; left out: the constitution's principles, with their weights."""
    scale: Scale = (1, 5)
    """rubric: the lowest and the highest mark."""
    rubric: str | None = None
    """checklist: the column with each seed's own criteria, a list or a text of a line each."""
    reward: Literal["classify", "score", "rerank", "pooling"] = "classify"
    """reward: the route of vLLM that serves the model."""
    per_call: Literal["one", "all"] | None = None
    """Axes or criteria in a call; left out: all for `eliminate`, one for the others, which is dearer and safer."""
    samples: Count = 1
    """How often each judge is asked, every time with options and axes in another order; the mean counts."""
    threshold: Number | None = None
    """The score from which a candidate passes; left out: 0.5 for `eliminate`, the others then score and reject none."""
    decide: Literal["majority", "mean"] = "majority"
    """How a panel decides: by its votes, more than half of them, or by the mean of its scores."""
    escalate: Escalate | None = None
    audit: Audit | None = Audit()
    """`null` switches it off; it never changes what is accepted."""


class Stop(Config):
    """Ask for more candidates, wave by wave, until the vote is clear or there are enough."""

    posterior: Share = 0.95
    """The probability that the leader would win in the long run, from which the vote is clear."""
    window: Whole = 0
    """Clear as well when so many last answers were the same; 0: not used."""
    max_candidates: Count = 40
    wave: Count = 4


class Vote(BaseStage):
    """The answer that most candidates give."""

    type: Literal["vote"] = "vote"
    extract: Extract | Literal["model"] = "math"
    """How answers are found and compared; `model`: a model says whether two responses give the same answer."""
    endpoint: Alias | None = None
    """The model that compares, for `extract: model`."""
    weights: Literal["score"] | None = None
    """`score`: each ballot weighs what its candidate's latest score is."""
    min_agreement: Share = 0.0
    """The share of the votes that the winner needs."""
    write: Name | None = None
    """The field that takes the winning answer."""
    stop: Stop | None = None


class Rank(Opinion):
    """Candidates of one seed compared in pairs, until the top that the next `select` takes is settled."""

    type: Literal["rank"] = "rank"
    endpoint: Alias
    method: Literal["swiss", "all_pairs", "knockout"] = "swiss"
    order: Literal["random", "both"] = "random"
    """Who is shown first: drawn for each pair, or each pair twice."""


SelectBy = Literal["order", "rank", "score", "vote"]


class Agree(Config):
    """Take only what stands in the top of other orders as well."""

    with_: tuple[SelectBy, ...] = Field(alias="with", min_length=1, examples=[["score"]])
    within_top: Count = 1


class Select(BaseStage):
    """Keep the best of a seed's candidates."""

    type: Literal["select"] = "select"
    top: Count = 1
    by: SelectBy = "order"
    agree: Agree | None = None
