"""What a run has spent, held against its budget.

A budget is checked before a call is admitted, counting what is in flight at the average that came back so far; so a
run ends near its limit, not a whole concurrency beyond it. The first call goes alone where only its reply can tell what
calls take. What was spent comes from the ledger when a run goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from config.schema import Budget
from queues.ledger import ReplyRow, Spend
from stages.core.errors import BudgetReached
from stages.llm.spool import Promised


class Spending:
    """Calls, tokens and dollars so far; of the calls whose price is not known, no dollars."""

    def __init__(
        self, budget: Budget, before: Iterable[Spend], in_flight: Callable[[], int], promised: Callable[[], Promised]
    ) -> None:
        """`promised`: what is under way in batches may take, at the most, beside the calls in flight."""
        self._budget, self._in_flight, self._promised = budget, in_flight, promised
        self.calls = self.tokens = 0
        self.usd = 0.0
        for spend in before:
            self.calls += spend.calls
            self.tokens += spend.prompt_tokens + spend.completion_tokens
            self.usd += spend.cost_usd

    def add(self, row: ReplyRow) -> None:
        """Count a reply; one taken from another ledger was paid for there."""
        if row.reused:
            return
        self.calls += 1
        self.tokens += row.prompt_tokens + row.completion_tokens
        self.usd += row.cost_usd or 0.0

    def left(self) -> dict[str, float]:
        """Return, of each budget there is, the share that is left by what has come back."""
        budget = self._budget
        spent = (
            ("calls", self.calls, budget.calls),
            ("tokens", self.tokens, budget.tokens),
            ("usd", self.usd, budget.usd),
        )
        return {name: max(0.0, 1 - used / most) if most else 0.0 for name, used, most in spent if most is not None}

    @property
    def unknown(self) -> bool:
        """Whether a budget depends on what calls take, and none has come back yet."""
        return not self.calls and (self._budget.tokens is not None or self._budget.usd is not None)

    def check(self) -> None:
        """Raise BudgetReached if another call could pass the budget."""
        budget = self._budget
        if budget.calls is None and budget.tokens is None and budget.usd is None:
            return
        out, promised = self._in_flight(), self._promised()
        share = (self.calls + out) / self.calls if self.calls else 1.0
        if budget.calls is not None and self.calls + out + promised.calls >= budget.calls:
            raise BudgetReached("calls", f"the budget of {budget.calls:,} calls is spent")
        if budget.tokens is not None and self.tokens * share + promised.tokens >= budget.tokens:
            raise BudgetReached("tokens", f"the budget of {budget.tokens:,} tokens is spent ({self.tokens:,} so far)")
        if budget.usd is not None and self.usd * share + promised.cost_usd >= budget.usd:
            raise BudgetReached("usd", f"the budget of ${budget.usd:,.2f} is spent (${self.usd:,.2f} so far)")
