"""What makes two texts the same to a reader: equal once case, width and white space are set aside."""

from __future__ import annotations

import unicodedata


def normal(text: str) -> str:
    """Return the text in Unicode NFKC, case-folded, each run of white space one space, none at the ends."""
    if text.isascii():
        folded = text.lower()
    else:  # folding can undo the composition, so it is composed again (Unicode's toNFKC_Casefold)
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.split())
