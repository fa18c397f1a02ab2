"""How many places of a ranking must be settled: as many as the selections after it look at."""

from __future__ import annotations

from typing import Any

import pytest

from config.schema import Dedupe, Select
from stages.registry import ranked_top


@pytest.mark.parametrize(
    ("selects", "top"),
    [
        ([], None),
        ([{"by": "score"}], None),
        ([{"top": 2, "by": "rank"}], 2),
        ([{"top": 2, "by": "score", "agree": {"with": ["rank"], "within_top": 3}}], 3),
        ([{"top": 1, "by": "rank"}, {"top": 4, "by": "rank"}], 4),
        ([{"top": 1, "by": "rank", "agree": {"with": ["score"]}}], None),
    ],
)
def test_the_top_is_the_deepest_place_that_a_later_selection_asks_for(selects: list[dict[str, Any]], top: int) -> None:
    assert ranked_top([Dedupe(), *map(Select.model_validate, selects)]) == top
