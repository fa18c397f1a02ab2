"""The plug is pulled: at any instant, in any step."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from pathlib import Path

from ledger_rows import key_of, raw_of

from queues.ledger import Ledger, Reader

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent


def test_kill_minus_9_at_a_hundred_random_instants_loses_and_doubles_nothing_acknowledged(path: Path) -> None:
    seed = random.randrange(2**32)
    run = subprocess.run(
        [sys.executable, HERE / "crash_rounds.py", path, "100", str(seed)],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        check=False,
    )
    acknowledged, *wrong = run.stdout.splitlines()
    assert (wrong, run.stderr) == ([], ""), f"with seed {seed}"
    assert int(acknowledged.split()[0]) > 500, "the kills came before anything was written"


SERVE = """
import asyncio, pathlib, signal, sys
from ledger_rows import a_reply
from queues.ledger import Ledger

async def main():
    ledger = Ledger.open(pathlib.Path(sys.argv[1]))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    waiting = [ledger.reply(a_reply(n)) for n in range(700)]  # one batch is handed over, one still gathers
    print("writing", flush=True)
    await stop.wait()
    await ledger.close()
    print(sum(waiter.done() and waiter.exception() is None for waiter in waiting), flush=True)

asyncio.run(main())
"""


def test_sigterm_in_mid_batch_lets_close_write_everything_that_was_given(path: Path) -> None:
    command = [sys.executable, "-c", SERVE, path]
    env = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.terminate()
        assert process.stdout.read() == "700\n"
    assert process.returncode == 0
    with Reader(path) as reader:
        assert all(reader.replies(n) == {key_of(n): raw_of(n)} for n in range(700))


async def test_a_creation_that_was_cut_short_is_done_over(path: Path) -> None:
    """Killed between the first page of the file and its tables: there is a database, and nothing in it."""
    empty = sqlite3.connect(path)
    empty.execute("PRAGMA journal_mode = WAL")
    empty.close()
    ledger = Ledger.open(path)
    await ledger.set_meta("fingerprint", "abc")
    await ledger.close()
    with Reader(path) as reader:
        assert reader.meta() == {"fingerprint": "abc"}
