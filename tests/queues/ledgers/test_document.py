"""Every query that docs/ledger.md shows must run, and find something where there is something to find."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from ledger_rows import a_candidate, a_reply, a_seed

from queues.ledger import DecisionRow, Ledger

DOCUMENT = Path(__file__).parents[3] / "docs" / "ledger.md"
QUERIES = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)


def test_the_document_shows_queries() -> None:
    assert len(QUERIES) > 5


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.split("\n")[0][:50])
async def test_a_query_of_the_document_finds_something(query: str, ledger: Ledger, ask: Callable[..., Any]) -> None:
    def data(passed: bool) -> bytes:
        return orjson.dumps({"lineage": {"temperature": 0.7}, "verdicts": {"verify": {"passed": passed}}})

    right = [a_candidate(1, 0, data=data(passed=True))]
    wrong = [
        a_candidate(1, n, state="rejected", stage="verify", reason="wrong_answer", data=data(passed=False))
        for n in range(1, 6)
    ]
    await ledger.reply(a_reply(1, raw=b'{"choices":[{"finish_reason":"length"}]}'))
    await ledger.group(a_seed(1, id="q-17"), right + wrong)
    await ledger.decision(DecisionRow("collapse", "generate", b'{"what":"alarm","at":516,"now":{"repeated":0.13}}'))
    found = ask(query)
    assert found
    assert any(value is not None for value in found[0])


@pytest.mark.usefixtures("ledger")
def test_every_table_is_described(ask: Callable[..., Any]) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for (table,) in ask("SELECT name FROM sqlite_schema WHERE type = 'table'"):
        assert f"`{table}`:" in text, table
