"""A program: kills a writing process at random instants, again and again, on one ledger; prints what went wrong.

    python crash_rounds.py LEDGER ROUNDS SEED

Each round forks a writer that opens the ledger, writes, closes it, opens it again and so on, and says through a pipe
what was acknowledged. So kills fall into opening, commits, checkpoints and closing alike. (A fork takes a tenth of the
time that a new process would.)
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from pathlib import Path

from ledger_rows import a_candidate, a_reply, a_seed, key_of, raw_of

from queues.ledger import Ledger, Reader, commit, writer

CANDIDATES = 3


async def keep_writing(path: Path, first: int, said: int) -> None:
    number = first
    while True:
        ledger = Ledger.open(path)
        for _ in range(3):
            numbers = range(number, number + 40)
            number += 40
            await asyncio.gather(*(write_and_say(ledger, n, said) for n in numbers))
        await ledger.close()


async def write_and_say(ledger: Ledger, number: int, said: int) -> None:
    await ledger.reply(a_reply(number))
    os.write(said, b"r%d\n" % number)
    await ledger.group(a_seed(number), [a_candidate(number, n) for n in range(CANDIDATES)])
    os.write(said, b"g%d\n" % number)


def one_round(path: Path, first: int, chance: random.Random) -> list[str]:
    """Fork a writer, let it get somewhere, kill it at an instant soon after; return what it said was acknowledged."""
    heard, said = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(heard)
        asyncio.run(keep_writing(path, first, said))
    os.close(said)
    words = b""
    enough = chance.choice([0, chance.randrange(400)])
    with os.fdopen(heard, "rb", buffering=0) as pipe:
        while words.count(b"\n") < enough and (more := pipe.read(4096)):
            words += more
        time.sleep(chance.uniform(0.0, 0.02))
        os.kill(child, signal.SIGKILL)
        words += pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WTERMSIG(status) != signal.SIGKILL:
        raise SystemExit("a writer ended by itself")
    return words.decode().split()


def keys_in(path: Path) -> Counter[str]:
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    keys = Counter(key for (key,) in connection.execute("SELECT key FROM reply"))
    connection.close()
    return keys


def what_is_wrong(path: Path, acknowledged: set[str]) -> list[str]:
    replies = {int(word[1:]) for word in acknowledged if word[0] == "r"}
    groups = {int(word[1:]) for word in acknowledged if word[0] == "g"}
    wrong: list[str] = []
    rows = keys_in(path)
    with Reader(path) as reader:
        wrong += [f"reply {key} is there {times} times" for key, times in rows.items() if times != 1]
        wrong += [f"reply {n} was acknowledged and is lost" for n in replies if key_of(n) not in rows]
        wrong += [f"reply {n} has changed" for n in replies if reader.replies(n) != {key_of(n): raw_of(n)}]
        there = {seed.no: candidates for seed, candidates in reader.groups()}
        wrong += [f"group {n} was acknowledged and is lost" for n in groups if n not in there]
        whole = {n: [a_candidate(n, place) for place in range(CANDIDATES)] for n in there}
        wrong += [f"group {n} is not whole" for n in there if there[n] != whole[n]]
        calls = sum(spend.calls for spend in reader.spend())
        wrong += [f"{calls} calls are counted, {len(rows)} are there"] * (calls != len(rows))
    return wrong


def main() -> None:
    path, rounds, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    commit.WAL_BYTES = 1 << 18  # so that checkpoints are often under way, and commits more so
    writer.GROUP_SECONDS = 0.002
    chance = random.Random(seed)
    acknowledged: set[str] = set()
    for number in range(rounds):
        acknowledged.update(one_round(path, number * 100_000, chance))
    sys.stdout.write("\n".join([f"{len(acknowledged)} acknowledged", *what_is_wrong(path, acknowledged)[:20], ""]))


if __name__ == "__main__":
    main()
