"""`--reuse`: replies of an earlier run, found by call key and not by seed number."""

from __future__ import annotations

from pathlib import Path

import pytest
from ledger_rows import a_reply, key_of, raw_of, write

from queues.ledger import Ledger, LedgerMissing, ReplyIndex


async def test_every_reply_of_the_earlier_run_is_found_by_its_key(path: Path) -> None:
    earlier = Ledger.open(path)
    await write(earlier, [a_reply(n, seed=1_000 - n) for n in range(800)])
    await earlier.close()
    index = ReplyIndex(path)
    assert [index.get(key_of(n)) for n in range(800)] == [raw_of(n) for n in range(800)]
    assert index.get(key_of(800)) is None
    index.close()


async def test_a_run_that_goes_on_can_lend_what_it_has(ledger: Ledger, path: Path) -> None:
    await ledger.reply(a_reply(1))
    index = ReplyIndex(path)
    await ledger.reply(a_reply(2))
    assert (index.get(key_of(1)), index.get(key_of(2))) == (raw_of(1), None)
    index.close()


async def test_of_a_key_that_was_answered_twice_the_first_answer_counts(ledger: Ledger, path: Path) -> None:
    await ledger.reply(a_reply(1, raw=b'"first"'))
    await ledger.reply(a_reply(1, raw=b'"second"'))
    index = ReplyIndex(path)
    assert index.get(key_of(1)) == b'"first"'
    index.close()


def test_an_earlier_run_that_is_not_there_is_said_to_be_missing(path: Path) -> None:
    with pytest.raises(LedgerMissing, match=r"no ledger at .*ledger\.sqlite"):
        ReplyIndex(path)
