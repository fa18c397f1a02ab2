"""What makes two texts the same: equal once case, width and white space are set aside."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from xxhash import xxh3_64_intdigest


def normal(text: str) -> str:
    """Return the text in Unicode NFKC, case-folded, each run of white space one space, none at the ends."""
    if text.isascii():
        folded = text.lower()
    else:  # folding can undo the composition, so it is composed again (Unicode's toNFKC_Casefold)
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.split())


def digest(parts: Sequence[str]) -> int:
    """Return 64 bits of a document whose parts are normal texts.

    Two different ones of ten million documents share them with a probability of 3 in a million.
    """
    return xxh3_64_intdigest("\0".join(parts).encode("utf-8", "surrogatepass"))
