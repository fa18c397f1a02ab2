"""The ledger: everything a run paid for or decided, in one SQLite file with one writer and many readers."""

from queues.ledger.errors import (
    LedgerCorrupt,
    LedgerError,
    LedgerFailed,
    LedgerLocked,
    LedgerMismatch,
    LedgerMissing,
)
from queues.ledger.reader import CandidateCount, Reader, SeedCount, SeedNumbers, Spend, Spent
from queues.ledger.reuse import ReplyIndex
from queues.ledger.rows import CandidateRow, DecisionRow, ReplyRow, SeedRow
from queues.ledger.writer import Ledger

__all__ = [
    "CandidateCount",
    "CandidateRow",
    "DecisionRow",
    "Ledger",
    "LedgerCorrupt",
    "LedgerError",
    "LedgerFailed",
    "LedgerLocked",
    "LedgerMismatch",
    "LedgerMissing",
    "Reader",
    "ReplyIndex",
    "ReplyRow",
    "SeedCount",
    "SeedNumbers",
    "SeedRow",
    "Spend",
    "Spent",
]
