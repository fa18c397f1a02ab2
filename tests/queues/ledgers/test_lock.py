"""One writer at a time, across processes and inside one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ledger_rows import a_reply

from queues.ledger import Ledger, LedgerFailed, LedgerLocked, Reader
from queues.ledger.lock import Lock

HOLD = """
import pathlib, sys
from queues.ledger import Ledger
ledger = Ledger.open(pathlib.Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held_elsewhere(path: Path) -> Iterator[subprocess.Popen[str]]:
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_told_who_writes(path: Path) -> None:
    with held_elsewhere(path) as holder:
        with pytest.raises(LedgerLocked, match=f"process {holder.pid} is writing") as refused:
            Ledger.open(path)
        assert refused.value.pid == holder.pid


def test_others_may_read_meanwhile(path: Path) -> None:
    with held_elsewhere(path), Reader(path) as reader:
        assert reader.spend() == []


async def test_the_lock_of_a_dead_process_is_taken_over(path: Path) -> None:
    with held_elsewhere(path) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert path.with_suffix(".lock").read_text() == f"{holder.pid}\n"
        ledger = Ledger.open(path)
    await ledger.reply(a_reply(1))
    await ledger.close()


def test_a_lock_is_given_up_on_a_disk_that_takes_no_writing_any_more(path: Path) -> None:
    """Else whoever closes the ledger would wait for ever: its thread gives up the lock last."""
    name = path.with_suffix(".lock")
    held = Lock.acquire(name)
    readable = os.open(name, os.O_RDONLY)
    os.dup2(readable, held._descriptor)
    os.close(readable)
    held.release()
    Lock.acquire(name).release()


async def test_inside_one_process_too_there_is_one_writer(ledger: Ledger, path: Path) -> None:
    with pytest.raises(LedgerLocked) as refused:
        Ledger.open(path)
    assert refused.value.pid == os.getpid()


async def test_a_closed_ledger_is_free_and_its_lock_names_nobody(path: Path) -> None:
    await Ledger.open(path).close()
    assert path.with_suffix(".lock").read_text() == ""
    await Ledger.open(path).close()


def test_a_ledger_that_could_not_be_opened_is_not_locked(path: Path) -> None:
    path.write_bytes(b"no database, and long enough to be taken for one" * 50)
    for _ in range(2):
        with pytest.raises(Exception, match="damaged"):
            Ledger.open(path)


def test_a_folder_that_is_not_there_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(LedgerFailed, match=r"lock .*nowhere/ledger\.lock: No such file"):
        Ledger.open(tmp_path / "nowhere" / "ledger.sqlite")
