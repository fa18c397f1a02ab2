"""A person's own function as a check: what it may return, what becomes of what it does wrong, where it is found."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from config.schema import Verify
from stages.core.base import Place
from stages.core.errors import CandidateError, InputError
from stages.core.record import Candidate, Group, Seed
from stages.verify.plugin import find_function, understood, written
from stages.verify.stage import VerifyStage

CHECKS = '''\
"""Checks of a person's own."""
import os
from decimal import Decimal
from helper import LIMIT

def short(response, row, fields):
    print("what it prints does not come between the answers")
    return len(response) <= LIMIT + row["more"]

def in_full(response, row, fields):
    return {"passed": False, "score": 0.25, "reason": "too_dull", "detail": f"{fields['mood']}!", "fields": {"n": 1}}

def fails(response, row, fields):
    if response == "bad":
        return {}["missing"]
    if response == "hang":
        while True:
            pass
    if response == "exit":
        os._exit(0)
    if response == "decimal":
        return Decimal("0.5")
    if response == "nan":
        return float("nan")
    if response == "huge":
        return 10**400
    return True

def takes_one(response):
    return True
'''


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "helper.py").write_text("LIMIT = 3\n")
    (tmp_path / "checks.py").write_text(CHECKS)
    return tmp_path / "checks.py"


async def judged(function: str, *texts: str, action: Any = "reject", **config: Any) -> Group:
    candidates = [Candidate(n, text, fields={"mood": "dull"}) for n, text in enumerate(texts)]
    group = Group(Seed(0, "s", {"more": 1}), candidates)
    settings = Verify.model_validate({"check": "plugin", "function": function, **config})
    stage = VerifyStage(Place("check", 1, action), settings)
    try:
        await stage.start()
        await stage.process(group)
    finally:
        await stage.stop()
    return group


def outcomes(group: Group) -> list[tuple[str, str, str]]:
    return [(one.state, one.reason, one.detail) for one in group.candidates]


async def test_it_sees_the_response_and_the_row_and_may_import_what_stands_beside_it(file: Path) -> None:
    assert outcomes(await judged(f"{file}:short", "four", "five5")) == [
        ("live", "", ""),
        ("rejected", "not_passed", ""),
    ]


async def test_all_that_it_says_in_full_is_kept(file: Path) -> None:
    group = await judged(f"{file}:in_full", "text")
    (candidate,) = group.candidates
    assert outcomes(group) == [("rejected", "too_dull", "dull!")]
    assert candidate.verdicts["check"].score == candidate.score == 0.25
    assert candidate.fields == {"mood": "dull", "n": 1}


async def test_what_it_does_wrong_fails_its_own_candidate_and_is_reported_as_itself(file: Path) -> None:
    group = await judged(f"{file}:fails", "bad", "hang", "good", "exit", "decimal", "nan", "huge", timeout_s=1.0)
    *told, (_, _, nan), (_, huge, words) = outcomes(group)
    assert "the function returned nan: Out of range float values" in nan
    assert (huge, words[:27]) == ("plugin_error", "the function returned 10000")
    assert told == [
        ("failed", "plugin_error", "KeyError: 'missing' (checks.py, line 15)"),
        ("failed", "timeout", "the function took longer than 1 s"),
        ("live", "", ""),
        ("failed", "died", "the function ended its process"),
        (
            "failed",
            "plugin_error",
            "the function returned Decimal('0.5'): Object of type Decimal is not JSON serializable",
        ),
    ]


async def test_a_function_that_takes_something_else_says_so(file: Path) -> None:
    group = await judged(f"{file}:takes_one", "x")
    assert outcomes(group)[0][1:] == (
        "plugin_error",
        "TypeError: takes_one() takes 1 positional argument but 3 were given",
    )


async def test_a_file_that_cannot_be_loaded_stops_the_run_before_it_starts(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("x = 1\nimport no_such_module_anywhere\ndef f(): ...\n")
    with pytest.raises(InputError, match=r"No module named 'no_such_module_anywhere' \(broken.py, line 2\)"):
        await judged(f"{tmp_path}/broken.py:f", "x")


@pytest.mark.parametrize(
    ("returned", "min_score", "passed", "score"),
    [
        (True, 0.5, True, None),
        (False, 0.5, False, None),
        (0.5, 0.5, True, 0.5),
        (3, 4.0, False, 3.0),
        ({"score": 0.9}, 0.5, True, 0.9),
        ({"score": 0.9, "passed": False}, 0.5, False, 0.9),
        ({"passed": True, "detail": "well"}, 0.5, True, None),
    ],
)
def test_what_is_returned_is_a_verdict(returned: Any, min_score: float, passed: bool, score: float | None) -> None:
    verdict, _ = understood(returned, min_score)
    assert (verdict.passed, verdict.score) == (passed, score)
    assert verdict.reason == ("" if passed else "not_passed")


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (None, "returned None: not a bool, a number or a dict"),
        ("yes", "returned 'yes': not a bool, a number or a dict"),
        ({}, "neither `passed` nor `score` is in it"),
        ({"pased": True}, '`pased`: unknown key "pased"; did you mean "passed"?'),
        ({"passed": "yes"}, '`passed`: must be true or false, not "yes"'),
        ({"passed": False, "reason": "Off by 3"}, "`reason`: must be"),
    ],
)
def test_what_is_no_verdict_is_told_in_words_and_never_guessed(returned: Any, words: str) -> None:
    with pytest.raises(CandidateError) as error:
        understood(returned, 0.5)
    assert error.value.reason == "plugin_error"
    assert words in error.value.detail


def test_a_function_is_found_without_running_its_file(file: Path) -> None:
    file.write_text("raise SystemExit('this was run')\n" + CHECKS + "made = short\n")
    for name in ("short", "made", "LIMIT"):
        find_function(f"{file}:{name}")


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("{file}:shrot", 'checks.py has no "shrot"; did you mean "short"?'),
        ("{folder}/none.py:f", "none.py: No such file or directory"),
        ("{folder}/bad.py:f", "bad.py is not Python: '(' was never closed"),
        ("no_such_check", 'no entry point "no_such_check" in tamis.verify'),
        ("./checks.py", "a file is ./file.py:function"),
    ],
)
def test_a_function_that_is_not_there_is_told(named: str, words: str, file: Path) -> None:
    (file.parent / "bad.py").write_text("f(\n")
    with pytest.raises(InputError) as error:
        find_function(named.format(file=file, folder=file.parent))
    assert words in str(error.value)


async def test_an_installed_package_offers_one_by_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "polite-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: polite\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[tamis.verify]\npolite = polite:check\n")
    (tmp_path / "polite.py").write_text("def check(response, row, fields):\n    return 'please' in response\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    find_function("polite")
    assert written("polite") == ["polite:check", "1.2"]
    group = await judged("polite", "please", "now")
    assert [one.state for one in group.candidates] == ["live", "rejected"]


def test_a_path_is_relative_to_the_pipeline() -> None:
    read = Verify.model_validate({"check": "plugin", "function": "./c.py:f"}, context={"base_dir": Path("/here")})
    assert read.function == "/here/c.py:f"
    assert Verify(check="plugin", function="polite").function == "polite"
