"""Which documents may be near twins: MinHash signatures cut into bands that are equal with a known probability.

`rensa` makes the signatures (1 us per document of 250 words); a band becomes one 64-bit key, and documents that share
a key are looked at closely. Source: Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, chapter 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rensa import RMinHash

from stages.dedupe.shingles import Hashes

SIGNATURE = 128
"""Hashes per signature at most."""
RECALL = 0.95
"""The share of twins exactly at the threshold that must share a band; those above it share one more often."""
_SEED = 1
_MIX = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)


@dataclass(frozen=True, slots=True)
class Bands:
    """How signatures are cut: `bands` keys of `rows` hashes each."""

    bands: int
    rows: int

    def recall(self, similarity: float) -> float:
        """Return the probability that two documents of this Jaccard similarity share a band."""
        return 1 - (1 - similarity**self.rows) ** self.bands


def bands_for(threshold: float) -> Bands:
    """Return the cut with the longest bands, so the fewest false hits, that still finds twins at the threshold."""
    cuts = (Bands(SIGNATURE // rows, rows) for rows in range(SIGNATURE, 0, -1))
    return next((cut for cut in cuts if cut.recall(threshold) >= RECALL), Bands(SIGNATURE, 1))


def band_keys(grams: Hashes, starts: Hashes, cut: Bands) -> Hashes:
    """Return the keys of a batch of documents, one row each; document i has `grams[starts[i]:starts[i + 1]]`."""
    size = cut.bands * cut.rows
    digests = RMinHash.digest_matrix_from_flat_token_hashes(grams * _MIX, starts, size, _SEED).to_rows()
    hashes = np.array(digests, np.uint64).reshape(-1, cut.bands, cut.rows)
    keys = np.arange(cut.bands, dtype=np.uint64)[None, :].repeat(len(hashes), axis=0)
    for row in range(cut.rows):
        keys = (keys ^ hashes[:, :, row]) * _MIX
        keys ^= keys >> _HALF
    return keys
