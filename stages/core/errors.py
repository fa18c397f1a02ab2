"""The error model.

Errors are few, and each says who must act:

    TamisError
      InputError      the person: a file, a setting or a credential is wrong, found before anything was paid (exit 2)
      RunStopped      the person: the run cannot go on but is resumable, e.g. a dead key or a full disk (exit 75)
      BudgetReached   nobody: a budget ended the run, what is there is complete (exit 3)
      CandidateError  nobody: one candidate fails, with the words of whoever refused it; its siblings go on

Whatever else is raised is a defect of tamis: it ends the run (exit 1), and the ledger stays resumable.
"""

from __future__ import annotations

from collections.abc import Sequence


class TamisError(Exception):
    """The root of the errors that tamis raises on purpose."""


class InputError(TamisError):
    """Something the person wrote is wrong. Carries every problem found, one line each, ready to print."""

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class RunStopped(TamisError):
    """The run cannot go on, nothing is lost, `--resume` goes on. `remedy` is what to do first."""

    def __init__(self, cause: str, remedy: str = "") -> None:
        self.cause, self.remedy = cause, remedy
        super().__init__(cause)


class BudgetReached(TamisError):
    """A budget is used up: no new call is admitted. `which` is its key: usd, tokens, calls or wall_s."""

    def __init__(self, which: str, message: str) -> None:
        self.which = which
        super().__init__(message)


class CandidateError(TamisError):
    """One candidate cannot go on. `reason` is a bounded label for metrics, `detail` the words for people."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason, self.detail = reason, detail
        super().__init__(f"{reason}: {detail}")
