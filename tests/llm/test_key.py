"""What makes two calls the same call."""

from __future__ import annotations

import pytest
from scripted_server import a_call

from stages.core.record import Group, Seed
from stages.llm.wire import call_key

BODY = b'{"model":"m","messages":[]}'


def test_the_key_is_32_hex_digits_and_the_same_in_every_process() -> None:
    """A ledger outlives the process, so the key of this very call may never change."""
    assert call_key(a_call(), "main", BODY) == "8df407f5a514dc7e3f0c6de0fd0e80da"


@pytest.mark.parametrize(
    "change",
    [{"stage": "judge"}, {"purpose": "re-ask"}, {"sample": 1}, {"part": "j1"}, {"group": Group(Seed(0, "other", {}))}],
    ids=lambda change: next(iter(change)),
)
def test_whatever_tells_calls_apart_changes_the_key(change: dict[str, object]) -> None:
    assert call_key(a_call(**change), "main", BODY) != call_key(a_call(), "main", BODY)


def test_alias_and_body_change_the_key() -> None:
    a = a_call()
    assert len({call_key(a, "main", BODY), call_key(a, "other", BODY), call_key(a, "main", BODY + b" ")}) == 3


def test_neighbouring_parts_do_not_run_into_each_other() -> None:
    one, other = a_call(stage="ab", purpose="c"), a_call(stage="a", purpose="bc")
    assert call_key(one, "main", BODY) != call_key(other, "main", BODY)


def test_depth_and_the_seeds_number_do_not_enter() -> None:
    """A stage put in front, or a source read in another order, does not make paid calls worthless."""
    moved = a_call(depth=3, group=Group(Seed(7, "s0", {})))
    assert call_key(moved, "main", BODY) == call_key(a_call(), "main", BODY)
