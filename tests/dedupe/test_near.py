from __future__ import annotations

import random

import numpy as np
import pytest

from stages.dedupe.near import RECALL, SIGNATURE, band_keys, bands_for
from stages.dedupe.shingles import gram_sets, jaccard


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.8, 0.9, 0.99, 1.0])
def test_a_cut_finds_twins_at_its_threshold_within_the_signature(threshold: float):
    cut = bands_for(threshold)
    assert cut.recall(threshold) >= RECALL
    assert cut.bands * cut.rows <= SIGNATURE


def test_the_default_threshold_rarely_looks_at_strangers():
    cut = bands_for(0.8)
    assert cut.recall(0.85) > 0.99
    assert cut.recall(0.3) < 0.01


def test_documents_share_a_band_as_often_as_their_similarity_says():
    """2,000 pairs of one document and an edit of it, grouped by their true similarity."""
    draw = random.Random(5)
    cut = bands_for(0.8)
    expected, found = 0.0, 0
    for _ in range(2_000):
        words = [str(draw.randrange(5_000)) for _ in range(100)]
        edited = [str(draw.randrange(5_000)) if draw.random() < 0.06 else word for word in words]
        sets = gram_sets([" ".join(words), " ".join(edited)], [0, 0])
        one, other = band_keys(sets.grams.astype(np.uint64), sets.starts.astype(np.uint64), cut)
        expected += cut.recall(jaccard(sets[0], sets[1]))
        found += bool((one == other).any())
    assert 300 < expected < 1_700, "the edits do not lie around the threshold"
    assert abs(found - expected) < 80, "4 standard deviations are less"
