"""A power cut may leave the end of the WAL torn or wrong: what was acknowledged before it stands, no row is garbage."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from ledger_rows import a_candidate, a_reply, a_seed, key_of, raw_of, write

from queues.ledger import Ledger, LedgerCorrupt, LedgerError, Reader, ReplyIndex
from queues.ledger.connection import wal_of

PAGE = 4096
FRAME = 24 + PAGE  # a page and its header, in a WAL; 32 bytes stand before the first


@dataclass(frozen=True)
class Cut:
    """The files as a power cut leaves them: `settled` bytes hold replies 0 to 9, the rest 10 to 19 and group 1."""

    file: bytes
    wal: bytes
    settled: int

    @classmethod
    def of(cls, path: Path, settled: int) -> Cut:
        wal = wal_of(path)
        return cls(path.read_bytes(), wal.read_bytes() if wal.exists() else b"", settled)

    def into(self, folder: Path, wal: bytes) -> Path:
        path = folder / "ledger.sqlite"
        path.write_bytes(self.file)
        wal_of(path).write_bytes(wal)
        path.with_name("ledger.sqlite-shm").unlink(missing_ok=True)
        return path


@pytest.fixture
async def cut(path: Path, tmp_path: Path) -> Cut:
    ledger = Ledger.open(path)
    await write(ledger, map(a_reply, range(10)))
    settled = wal_of(path).stat().st_size
    waiting = [ledger.reply(a_reply(n)) for n in range(10, 20)]
    await ledger.group(a_seed(1), [a_candidate(1, n) for n in range(3)])
    assert all(waiter.done() for waiter in waiting)
    cut = Cut.of(path, settled)
    await ledger.close()
    return cut


def offsets(start: int, end: int, *, first: int = 32, step: int = FRAME) -> list[int]:
    """Return every edge of a frame (or page) with its neighbours, and twenty places between."""
    edges = [edge + near for edge in range(first, end + 1, step) for near in (-1, 0, 24)]
    chance = random.Random(7)
    return sorted({edge for edge in edges if start <= edge < end} | {chance.randrange(start, end) for _ in range(20)})


def flipped(content: bytes, offset: int) -> bytes:
    return content[:offset] + bytes([content[offset] ^ (1 << offset % 8)]) + content[offset + 1 :]


async def what_is_left(path: Path) -> tuple[int, int]:
    """Go on with the run; return how many replies and groups are there. Whatever is there must be whole."""
    ledger = Ledger.open(path)
    try:
        with Reader(path) as reader:
            replies = [reader.replies(n) for n in range(20)]
            assert all(found in ({}, {key_of(n): raw_of(n)}) for n, found in enumerate(replies))
            groups = list(reader.groups())
            assert groups in ([], [(a_seed(1), [a_candidate(1, n) for n in range(3)])])
            there = [n for n, found in enumerate(replies) if found]
            assert there == list(range(len(there)))
            assert sum(spend.calls for spend in reader.spend()) == len(there)
        return len(there), len(groups)
    finally:
        await ledger.close()


@pytest.mark.parametrize("harm", [lambda wal, offset: wal[:offset], flipped], ids=["torn", "flipped"])
async def test_harm_to_the_last_commit_costs_the_last_commit_at_most(
    cut: Cut, tmp_path: Path, harm: Callable[[bytes, int], bytes]
) -> None:
    for offset in offsets(cut.settled, len(cut.wal)):
        left = await what_is_left(cut.into(tmp_path, harm(cut.wal, offset)))
        assert left == (10, 0), f"at {offset}"


async def test_a_whole_wal_gives_everything_back(cut: Cut, tmp_path: Path) -> None:
    """Without this the test above would pass on a ledger that drops its last commit always."""
    assert await what_is_left(cut.into(tmp_path, cut.wal)) == (20, 1)


@pytest.mark.parametrize("harm", [lambda wal, offset: wal[:offset], flipped], ids=["torn", "flipped"])
async def test_harm_anywhere_in_the_wal_leaves_whole_commits_or_an_error_in_words(
    cut: Cut, tmp_path: Path, harm: Callable[[bytes, int], bytes]
) -> None:
    for offset in offsets(0, cut.settled):
        try:
            left = await what_is_left(cut.into(tmp_path, harm(cut.wal, offset)))
        except LedgerError as error:
            assert str(tmp_path) in str(error)
        else:
            assert left in [(0, 0), (10, 0)], f"at {offset}"


async def test_rubbish_after_the_end_of_the_wal_is_no_row(cut: Cut, tmp_path: Path) -> None:
    assert await what_is_left(cut.into(tmp_path, cut.wal + random.Random(7).randbytes(3 * FRAME))) == (20, 1)


@pytest.mark.parametrize("harm", [lambda file, offset: file[:offset], flipped], ids=["torn", "flipped"])
async def test_harm_to_the_file_itself_is_told_in_words_or_does_not_matter_but_never_a_bare_error(
    cut: Cut, tmp_path: Path, harm: Callable[[bytes, int], bytes]
) -> None:
    path = cut.into(tmp_path, cut.wal)
    await Ledger.open(path).close()
    closed = Cut.of(path, 0)
    harmed = 0
    for offset in offsets(0, len(closed.file), first=0, step=PAGE):
        try:
            await read_everything(replace(closed, file=harm(closed.file, offset)).into(tmp_path, b""))
        except LedgerError as error:
            assert "ledger.sqlite" in str(error)
            harmed += 1
    assert harmed >= len(closed.file) // PAGE, "a page without its first byte is no page"


async def read_everything(path: Path) -> None:
    await Ledger.open(path).close()
    with Reader(path) as reader:
        for seed, _ in reader.groups():
            reader.replies(seed.no)
        reader.meta(), reader.spend(), reader.candidate_counts(), reader.seed_counts(), reader.decisions("")
    ReplyIndex(path).close()


async def test_after_an_unclean_end_damage_is_found_before_anything_is_written(cut: Cut, tmp_path: Path) -> None:
    path = cut.into(tmp_path, cut.wal)
    await Ledger.open(path).close()
    closed = Cut.of(path, 0)
    replace(closed, file=closed.file[:-PAGE] + bytes(PAGE)).into(tmp_path, b"left behind")
    with pytest.raises(LedgerCorrupt, match=r"ledger\.sqlite is damaged .*a copy.*new run"):
        Ledger.open(path)
