"""What of a group counts as one document, and with which candidates it stands or falls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from config.schema import Dedupe
from stages.core.base import Stage
from stages.core.record import Candidate, Group, Verdict
from stages.core.task import task_text
from stages.dedupe.corpus import Twin
from stages.dedupe.documents import Document


@dataclass(frozen=True, slots=True)
class Claim:
    """A document with its id, and the candidates that stand or fall with it.

    That is one candidate; for `on: prompt` all of a group's, since answers to one question are not duplicates of it.
    """

    id: str
    candidates: Sequence[Candidate]
    document: Document


class Claims:
    """Makes claims for a dedupe stage. Embeddings are those that were made for it, where it compares any."""

    def __init__(self, stage: Stage, config: Dedupe) -> None:
        self._stage, self._on, self._by = stage, config.on, config.keep.by

    def of(self, group: Group, candidates: Sequence[Candidate]) -> Iterator[Claim]:
        """Yield the claims that a group makes with these candidates."""
        if not candidates:
            return
        prompt = () if self._on == "response" else (task_text(group),)
        if self._on == "prompt":
            vector = next(filter(None, map(self._vector, candidates)), b"")
            yield Claim(group.seed.id, candidates, Document(prompt, vector=vector))
            return
        for one in candidates:
            answer = one.fields.get("answer")
            parsed = "" if answer is None else str(answer)
            yield Claim(group.candidate_id(one), (one,), Document((*prompt, one.text), parsed, self._vector(one)))

    def _vector(self, candidate: Candidate) -> bytes:
        return candidate.embeddings.get(self._stage.name, b"")

    def score(self, claim: Claim) -> float | None:
        """Return the best score of a claim; of a decided candidate that which it was decided by."""
        if self._by != "score":
            return None
        name = self._stage.name
        scores = [c.verdicts[name].score if name in c.verdicts else c.score for c in claim.candidates]
        return max((score for score in scores if score is not None), default=None)

    def judge(self, group: Group, claims: Iterable[Claim], twins: Mapping[str, Twin[str]]) -> None:
        """Judge the candidates of claims by the twins that these have."""
        for claim in claims:
            verdict = verdict_on(twins.get(claim.id), self.score(claim))
            for candidate in claim.candidates:
                self._stage.judge(group, candidate, verdict)


def verdict_on(twin: Twin[str] | None, score: float | None = None) -> Verdict:
    """Return the verdict on a claim; it names the twin, where there is one."""
    if twin is None:
        return Verdict(True, score)
    likeness = twin.likeness
    data = {"twin": twin.id, "similarity": round(likeness.similarity, 4), "how": likeness.how}
    if twin.stays:
        return Verdict(True, score, data=data)
    return Verdict(False, score, "duplicate", f"of {twin.id}, similarity {likeness.similarity:.2f}", data)
