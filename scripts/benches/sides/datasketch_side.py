"""Near duplicates with datasketch, as its manual has it: run by `scripts/bench dedupe` with the Python of the peers."""

import json
import sys
from pathlib import Path

from datasketch import MinHash, MinHashLSH

index, dropped = MinHashLSH(threshold=float(sys.argv[2]), num_perm=128), 0
for number, line in enumerate(Path(sys.argv[1]).read_bytes().splitlines()):
    words = json.loads(line)["text"].lower().split()
    minhash = MinHash(num_perm=128)
    minhash.update_batch([" ".join(words[at : at + 5]).encode() for at in range(max(1, len(words) - 4))])
    if index.query(minhash):
        dropped += 1
    else:
        index.insert(number, minhash)
print(f"dropped {dropped}")
