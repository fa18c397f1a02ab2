"""What becomes of the requests of an ended batch that have no reply: given up with the provider's words, or sent again.

A request is in `ATTEMPTS` batches at most. What is its own fault fails it at once; what is nobody's request's fault (a
dead key, a model that is not there, a batch that a person cancelled) stops the run, which goes on with `--resume`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stages.core.errors import CandidateError, RunStopped
from stages.llm.failures import Failure, Kind, of_reply
from stages.llm.parse import MalformedReply, Reasoning, parse
from stages.llm.protocol import Reply
from stages.llm.retries import Retries, RetryPolicy

if TYPE_CHECKING:
    from openai.types import Batch, BatchError

ATTEMPTS = 3

Why = tuple[str, str]
"""The reason that a request is given up for, and the words."""


@dataclass(slots=True)
class Outcome:
    """Of one batch: what is given up, what is asked again (an attempt is spent), and what stops the run."""

    failed: dict[str, Why] = field(default_factory=dict)
    again: list[str] = field(default_factory=list)
    stop: RunStopped | None = None


class Faults:
    """Judges what one endpoint's batches did not answer. `failed` has what is given up, by call key."""

    def __init__(self, alias: str, reasoning: Reasoning, policy: RetryPolicy) -> None:
        self._alias, self._reasoning, self._policy = alias, reasoning, policy
        self.failed: dict[str, Why] = {}
        self._attempts = Counter[str]()
        self._served_at: float | None = None
        self._progress = False

    def learn(self, failed: Mapping[str, Why], again: Iterable[str]) -> None:
        """Take in what was decided, and is committed."""
        self.failed.update(failed)
        self._attempts.update(again)

    def read(self, raw: bytes) -> Reply | Failure:
        """Return a reply, or why it is none."""
        try:
            reply = parse(raw, self._reasoning)
        except MalformedReply as error:
            return of_reply(200, {}, raw, malformed=str(error))
        self._served_at, self._progress = self._policy.clock(), True
        return reply

    def judged(self, batch: Batch, failures: Mapping[str, Failure], unserved: Iterable[str]) -> Outcome:
        """Judge all that has no reply: what failed, and what the files of a batch say nothing of."""
        outcome = Outcome()
        cause = "expired" if batch.status == "expired" else "no_reply"
        lost = Failure(Kind.AGAIN, cause, f"did not answer it; its batch is {batch.status}")
        cut_short = batch.status in ("cancelled", "failed")
        if cut_short:
            how = "was cancelled at the provider" if batch.status == "cancelled" else f"failed: {_words_of(batch)}"
            remedy = "What it did not answer is asked for again when the run goes on"
            outcome.stop = RunStopped(f"{self._alias}: the batch {batch.id} {how}", remedy)
        for key, failure in {**dict.fromkeys(unserved, lost), **failures}.items():
            if not cut_short or failure.kind is Kind.CANDIDATE:
                self._judge(key, failure, outcome)
        return outcome

    def _judge(self, key: str, failure: Failure, outcome: Outcome) -> None:
        tries = self._attempts[key] + 1
        try:
            Retries(self._policy, self._alias).wait(failure, self._served_at)
        except CandidateError as error:
            outcome.failed[key] = (error.reason, error.detail)
        except RunStopped as stop:
            outcome.stop = outcome.stop or stop
        else:
            if failure.kind is Kind.KEY:
                outcome.stop = outcome.stop or RunStopped(f"{self._alias} {failure.words}", failure.remedy)
            elif tries >= ATTEMPTS:
                outcome.failed[key] = (failure.cause, f"{self._alias} {failure.words} ({tries} batches)")
            else:
                outcome.again.append(key)

    def refused(self, batch: Batch, keys: Sequence[str], *, alone: bool) -> Outcome:
        """Judge a batch that the provider did not begin: for some of its lines, for its size, or altogether.

        Too many waiting tokens heal when other batches end; a batch that is too large `alone` will never be taken.
        """
        outcome = Outcome()
        errors = _errors_of(batch)
        for error in errors:
            if error.line and error.line <= len(keys):
                words = f"{self._alias} refused it: {error.message or error.code}"
                outcome.failed[keys[error.line - 1]] = ("bad_request", words)
        full = any(error.code == "token_limit_exceeded" for error in errors)
        if outcome.failed or (full and (self._progress or not alone)):
            self._progress = False
            return outcome  # the others are in the next batch
        remedy = "Let fewer requests into a batch, with batch.max_requests" if full else ""
        outcome.stop = RunStopped(f"{self._alias} refused the batch {batch.id}: {_words_of(batch)}", remedy)
        return outcome


def _words_of(batch: Batch) -> str:
    """Return why the provider says that a batch failed."""
    words = (str(error.message or error.code) for error in _errors_of(batch))
    return "; ".join(words) or (str(batch.errors) if batch.errors else "for no reason that it told")


def _errors_of(batch: Batch) -> list[BatchError]:
    """Return the errors of a batch that are told as they should be."""
    told = getattr(batch.errors, "data", None)
    return [error for error in told if hasattr(error, "line")] if isinstance(told, list) else []
