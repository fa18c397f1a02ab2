"""API keys: where they come from, whose turn it is, what happens to dead ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.schema import Endpoint
from stages.core.errors import InputError
from stages.llm.failures import Failure, Kind
from stages.llm.keys import ApiKey, KeyRing, read_keys

DEAD = Failure(Kind.KEY, "key", 'answered 401 "bad key"')
ONE, TWO = ApiKey("sk-one", "ONE"), ApiKey("sk-two", "TWO")


def endpoint(**keys: object) -> Endpoint:
    return Endpoint.model_validate({"base_url": "http://h/v1", "model": "m", **keys})


def test_keys_come_from_variables_and_files(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("sk-b\n\n  sk-c  \n")
    config = endpoint(api_key_env=["A"], api_key_file=str(tmp_path / "keys"))
    assert [key.text for key in read_keys("main", config, {"A": " sk-a\n"})] == ["sk-a", "sk-b", "sk-c"]


def test_a_variable_wins_over_the_file_that_stands_in_for_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("sk-from-file\n")
    env = {"A_FILE": str(tmp_path / "secret"), "B_FILE": str(tmp_path / "absent")}
    assert [key.text for key in read_keys("main", endpoint(api_key_env="A"), env)] == ["sk-from-file"]
    assert [key.text for key in read_keys("main", endpoint(api_key_env="A"), {**env, "A": "sk-a"})] == ["sk-a"]
    with pytest.raises(InputError, match=r"api_key_env: B_FILE: cannot read .*absent"):
        read_keys("main", endpoint(api_key_env="B"), env)


def test_a_keyless_server_has_one_key_that_is_none() -> None:
    assert read_keys("main", endpoint(), {}) == [ApiKey(None, "")]


def test_every_missing_key_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    files = [str(tmp_path / "empty"), str(tmp_path / "absent")]
    with pytest.raises(InputError) as error:
        read_keys("main", endpoint(api_key_env=["A", "B"], api_key_file=files), {"B": ""})
    assert error.value.problems[0] == "endpoints.main.api_key_env: the environment variable A is not set"
    assert [
        next(words for words in ("B is not set", "is empty", "cannot read") if words in problem)
        for problem in error.value.problems[1:]
    ] == ["B is not set", "is empty", "cannot read"]


def test_a_key_that_no_header_can_carry_is_refused_without_showing_it() -> None:
    with pytest.raises(InputError, match="the key in A has characters") as error:
        read_keys("main", endpoint(api_key_env="A"), {"A": "sk-ключ"})
    assert "sk-" not in str(error.value)


def test_a_key_is_not_in_its_repr() -> None:
    assert "sk-one" not in repr(ONE)


def test_keys_take_turns() -> None:
    ring = KeyRing("main", [ONE, TWO])
    taken = [ring.next() for _ in range(4)]
    assert taken[:2] in ([ONE, TWO], [TWO, ONE])
    assert taken[2:] == taken[:2]


def test_a_dead_key_is_not_used_again() -> None:
    ring = KeyRing("main", [ONE, TWO])
    assert ring.lost(ONE, DEAD) == DEAD
    assert [ring.next() for _ in range(3)] == [TWO] * 3
    assert len(ring) == 1


def test_losing_the_last_key_is_the_end_with_the_remedy() -> None:
    ring = KeyRing("main", [ONE, TWO])
    ring.lost(ONE, DEAD)
    ring.lost(ONE, DEAD)  # another call that was in flight with it
    failure = ring.lost(TWO, DEAD)
    assert failure.kind is Kind.ENDPOINT
    assert failure.remedy == "Put a working key into TWO (endpoint main)"


def test_a_quota_that_is_used_up_can_be_waited_for_or_gone_round() -> None:
    used_up = Failure(Kind.KEY, "key", "answered 429", remedy="Go on when the quota is renewed")
    nobody, either = ApiKey(None, ""), "Go on when the quota is renewed, or put another key into ONE (endpoint main)"
    assert KeyRing("main", [ONE]).lost(ONE, used_up).remedy == either
    assert KeyRing("main", [nobody]).lost(nobody, used_up).remedy == "Go on when the quota is renewed (endpoint main)"


def test_a_keyless_endpoint_that_wants_a_key_says_so() -> None:
    key = ApiKey(None, "")
    assert "set api_key_env" in KeyRing("main", [key]).lost(key, DEAD).remedy


def test_keys_that_a_provider_echoes_are_taken_out_of_its_words() -> None:
    assert KeyRing("main", [ONE, TWO]).redacted('bad key "sk-two"') == 'bad key "***"'
